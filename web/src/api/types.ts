/** Answers of /api/v2 that the page reads. Names are the server's. */

export interface Embedding {
  name: string;
  dims: number;
  bounds: [number, number, number, number];
}

export interface ObsColumn {
  name: string;
  kind: "categorical" | "numeric";
  categories?: string[];
  counts?: number[];
}

export interface RunFacts {
  name: string;
  genes: number;
  row_label: "cluster" | "cell";
  n_propagation: number;
  partial: boolean;
}

export interface PerturbState {
  state: "none" | "loading" | "ready" | "failed";
  progress: number;
  label: string;
  message: string | null;
}

export interface Meta {
  dataset: string;
  title: string;
  n_obs: number;
  n_vars: number;
  layers: string[];
  layer: string;
  embeddings: Embedding[];
  /** `source`: where it is known from how long a coordinate unit is. */
  unit: { um_per_unit: number | null; source?: string | null; radius: number | null; contact_distance: number | null };
  obs: ObsColumn[];
  cluster_column: string | null;
  cell_type_column: string | null;
  /** Pieces of tissue of the run, and the column that says which; cells of others than the chosen one are not drawn. */
  samples: string[];
  sample_column?: string | null;
  network: { loaded: boolean; species: string | null };
  run: RunFacts | null;
  perturb: PerturbState;
  columns_ready: boolean;
  columns_progress?: number;
  notices?: string[];
  limits: Record<string, number>;
  version: string;
}

/** Which genes a search is among. */
export type GeneKind = "all" | "models" | "ligands" | "tf_ligands";

export interface GeneHit {
  name: string;
  has_model: boolean;
}

export type ModulatorKind = "tf" | "ligand-receptor" | "ligand-tf" | "intercept" | "extra";

export interface GeneColumn {
  name: string;
  kind: ModulatorKind;
  max_abs: number;
  per_row?: { row: string; value: number; stability: number | null }[];
}

export interface GeneScore {
  cluster: string;
  r2_in: number | null;
  r2_out: number | null;
  r2_tf_only: number | null;
  p_space: number | null;
}

export interface GeneColumns {
  gene: string;
  columns: GeneColumn[];
  scores: GeneScore[];
}

export interface CellFacts {
  index: number;
  name: string;
  cell_type: string | null;
  cluster: string | null;
  xy: [number, number];
  obs: Record<string, string | number | null>;
}

export interface ContextEdge {
  ligand: string;
  receptor: string;
  ligand_expr: number;
  receptor_expr: number;
  support: number;
  beta: number | null;
  tf: string | null;
  tf_expr: number | null;
}

export interface CellContext {
  gene: string;
  cell: number;
  neighbours: { index: number; distance: number; cell_type: string | null; edges: ContextEdge[] }[];
  n_in_query: number;
}

export interface Interaction {
  gene: string;
  modulator: string;
  kind: ModulatorKind;
  beta: number;
  stability: number | null;
}

export type Scope =
  | { type: "all" }
  | { type: "selection"; id: string }
  | { type: "cell_type"; names: string[] }
  | { type: "cluster"; ids: string[] };

export interface TargetSpec {
  gene: string;
  dose: string;
}

export type JobState = "queued" | "running" | "done" | "cancelled" | "failed";

export interface Job {
  id: string;
  kind: "perturb" | "field";
  state: JobState;
  progress: number;
  step: string;
  message: string | null;
  title: string;
  created: number | string;
  seconds: number;
}

export interface EffectRow {
  gene: string;
  mean_delta: number;
  max_abs_delta?: number;
  mean_abs_delta?: number;
  direction?: string;
}

export interface PerturbResult {
  targets: TargetSpec[];
  scope: Scope;
  n_cells_perturbed: number;
  n_propagation: number;
  notes: string[];
  steps: number[];
  genes_changed: number;
  top: EffectRow[];
}

export interface TopGroups {
  groups: { label: string; n_cells: number; genes: EffectRow[] }[];
}

export interface Rings {
  rings: { from: number; to: number | null; n_cells: number; mean_delta: number; mean_abs_delta: number }[];
  unit: string;
}

export interface JobComparison {
  r: number | null;
  n_genes: number;
  rows: { gene: string; mean_a: number; mean_b: number }[];
}

export interface ExpressionByType {
  genes: string[];
  groups: { label: string; n: number; mean: number[]; fraction: number[] }[];
}

export interface DataListing {
  roots: { name: string; files: { id: string; name: string; kind: "h5ad" | "run"; size: number }[] }[];
}

export interface FieldFacts {
  nx?: number;
  ny?: number;
  n_cells?: number;
  [key: string]: unknown;
}
