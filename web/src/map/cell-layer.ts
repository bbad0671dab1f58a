/** Cells as GPU points. A cell costs two positions (for blending layouts), one byte of colour and one byte of flags;
 * recolouring uploads the byte column, or only the 256-entry palette. */

import type { DefaultProps, LayerProps, UpdateParameters } from "@deck.gl/core";
import { Layer } from "@deck.gl/core";
import type { Buffer, Texture } from "@luma.gl/core";
import { Model } from "@luma.gl/engine";
import { DIM, GONE } from "./flags";

export type Order = "file" | "high" | "extreme";

export interface CellLayerProps {
  n: number;
  from: Float32Array;
  to: Float32Array;
  blend: number;
  bytes: Uint8Array;
  flags: Uint8Array;
  palette: Uint8Array;
  radius: number;
  backdrop: readonly [number, number, number];
  order: Order;
}

interface State {
  model: Model;
  /** GPU copies of the layouts in use; at rest both ends of the blend are one. */
  positions: Map<Float32Array, Buffer>;
  shade: Buffer;
  flag: Buffer;
  palette: Texture;
  [key: string]: unknown;
}

const block = `\
layout(std140) uniform cellUniforms {
  float radius;
  float blend;
  float dpr;
  float order;
  vec4 view;
  vec4 backdrop;
} cell;
`;

const uniforms = {
  name: "cell",
  vs: block,
  fs: block,
  uniformTypes: { radius: "f32", blend: "f32", dpr: "f32", order: "f32", view: "vec4<f32>", backdrop: "vec4<f32>" },
} as const;

const vs = `\
#version 300 es
#define SHADER_NAME cell-layer-vertex
in vec2 fromPosition;
in vec2 toPosition;
in float shade;
in float flag;
uniform highp sampler2D palette;
out vec4 colour;
out float radius;

void main(void) {
  vec2 at = mix(fromPosition, toPosition, cell.blend);
  int index = int(shade * 255.0 + 0.5);
  int flags = int(flag * 255.0 + 0.5);
  bool dimmed = (flags & ${DIM}) != 0;
  vec3 rgb = texelFetch(palette, ivec2(index, 0), 0).rgb;
  colour = vec4(dimmed ? mix(rgb, cell.backdrop.rgb, 0.82) : rgb, 1.0);

  gl_Position = vec4(at * cell.view.xy + cell.view.zw, 0.0, 1.0);

  // depth sorts without sorting: dimmed cells behind, then by value, so that strong cells are not buried
  float value = float(index) / 254.0;
  float rank = index == 255 ? 0.0 : cell.order < 0.5 ? 0.5 : cell.order < 1.5 ? value : abs(2.0 * value - 1.0);
  gl_Position.z = dimmed ? 0.95 : 0.8 - 0.6 * rank;

  radius = cell.radius * cell.dpr * (dimmed ? 0.85 : 1.0);
  gl_PointSize = 2.0 * radius + 1.0;
  if ((flags & ${GONE}) != 0) gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
}
`;

const fs = `\
#version 300 es
#define SHADER_NAME cell-layer-fragment
precision highp float;
in vec4 colour;
in float radius;
out vec4 fragColor;

void main(void) {
  float d = length(gl_PointCoord - 0.5) * (2.0 * radius + 1.0);
  float alpha = radius < 1.0 ? 1.0 : clamp(radius + 0.5 - d, 0.0, 1.0);
  if (alpha < 0.3) discard;
  fragColor = vec4(colour.rgb, alpha);
}
`;

const defaultProps: DefaultProps<CellLayerProps> = {
  n: 0,
  from: { type: "data" as never, value: new Float32Array() },
  to: { type: "data" as never, value: new Float32Array() },
  blend: 1,
  radius: 2,
};

const ORDER: Record<Order, number> = { file: 0, high: 1, extreme: 2 };

export class CellLayer extends Layer<CellLayerProps & LayerProps> {
  static override layerName = "CellLayer";
  static override defaultProps = defaultProps as DefaultProps<CellLayerProps & LayerProps>;
  declare state: State;

  override getShaders() {
    return super.getShaders({ vs, fs, modules: [uniforms] });
  }

  override initializeState(): void {
    const { device } = this.context;
    const { from, to, bytes, flags, palette, n } = this.props;
    const buffer = (data: Float32Array | Uint8Array) => device.createBuffer({ data: data as Float32Array<ArrayBuffer> });
    const buffers = { shade: buffer(bytes), flag: buffer(flags) };
    const positions = new Map<Float32Array, Buffer>();
    for (const layout of new Set([from, to])) positions.set(layout, buffer(layout));
    const texture = this.paletteTexture(palette);
    const model = new Model(device, {
      ...this.getShaders(),
      id: this.props.id,
      topology: "point-list",
      vertexCount: n,
      bufferLayout: [
        { name: "fromPosition", format: "float32x2" },
        { name: "toPosition", format: "float32x2" },
        { name: "shade", format: "unorm8" },
        { name: "flag", format: "unorm8" },
      ],
      attributes: {
        fromPosition: positions.get(from)!,
        toPosition: positions.get(to)!,
        shade: buffers.shade,
        flag: buffers.flag,
      },
      bindings: { palette: texture },
      parameters: { depthWriteEnabled: true, depthCompare: "less-equal" },
    });
    this.setState({ model, positions, ...buffers, palette: texture });
  }

  private paletteTexture(data: Uint8Array): Texture {
    return this.context.device.createTexture({
      width: 256,
      height: 1,
      format: "rgba8unorm",
      mipLevels: 1,
      data: data as Uint8Array<ArrayBuffer>,
      sampler: { minFilter: "nearest", magFilter: "nearest" },
    });
  }

  override updateState({ props, oldProps, changeFlags }: UpdateParameters<this>): void {
    if (!oldProps.bytes || !changeFlags.propsOrDataChanged) return;
    const { state } = this;
    const write = (buffer: Buffer, data: Float32Array | Uint8Array) => buffer.write(data as Float32Array<ArrayBuffer>);
    if (props.from !== oldProps.from || props.to !== oldProps.to) this.usePositions(props.from, props.to);
    if (props.bytes !== oldProps.bytes) write(state.shade, props.bytes);
    if (props.flags !== oldProps.flags) write(state.flag, props.flags);
    if (props.palette !== oldProps.palette) {
      const texture = this.paletteTexture(props.palette);
      state.model.setBindings({ palette: texture });
      state.palette.destroy();
      state.palette = texture;
    }
  }

  private usePositions(from: Float32Array, to: Float32Array): void {
    const { positions, model } = this.state;
    for (const layout of [from, to]) {
      if (positions.has(layout)) continue;
      positions.set(layout, this.context.device.createBuffer({ data: layout as Float32Array<ArrayBuffer> }));
    }
    model.setAttributes({ fromPosition: positions.get(from)!, toPosition: positions.get(to)! });
    for (const [layout, buffer] of positions) {
      if (layout === from || layout === to) continue;
      buffer.destroy();
      positions.delete(layout);
    }
  }

  /** World units to clip space as a scale and a shift: deck.gl's general projection costs several times more for
   * each of a million cells. */
  private view(): [number, number, number, number] {
    const { viewport } = this.context;
    const at = (x: number, y: number): [number, number] => {
      const [px, py] = viewport.project([x, y, 0]) as [number, number];
      return [(2 * px) / viewport.width - 1, 1 - (2 * py) / viewport.height];
    };
    const [ox, oy] = at(0, 0);
    const [ux, uy] = at(1, 1);
    return [ux - ox, uy - oy, ox, oy];
  }

  override draw(): void {
    const { radius, blend, backdrop, order } = this.props;
    const { model } = this.state;
    model.shaderInputs.setProps({
      cell: {
        radius,
        blend,
        dpr: this.context.device.canvasContext?.cssToDeviceRatio() ?? 1,
        order: ORDER[order],
        view: this.view(),
        backdrop: [...backdrop.map((c) => c / 255), 1],
      },
    });
    model.draw(this.context.renderPass);
  }

  override finalizeState(context: Parameters<Layer["finalizeState"]>[0]): void {
    super.finalizeState(context);
    const { model, positions, shade, flag, palette } = this.state;
    model.destroy();
    for (const resource of [...positions.values(), shade, flag, palette]) resource.destroy();
  }
}
