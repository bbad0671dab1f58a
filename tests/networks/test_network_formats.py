"""Each format is recognised by its columns and read as its tool means it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.feather
import pytest

from spacetravlr.errors import InputError
from spacetravlr.networks import Built, Source, build

CONTACT, SECRETED = "Cell-Cell Contact", "Secreted Signaling"
ALWAYS_LR = pd.DataFrame({"ligand": ["IL6"], "receptor": ["IL6R"]})


def edges(built: Built, kind: str) -> list[tuple[str, str]]:
    rows = built.edges[built.edges["edge_type"] == kind]
    return list(zip(rows["source"], rows["target"], strict=True))


def signaling(built: Built) -> dict[tuple[str, str], object]:
    rows = built.edges
    return dict(zip(zip(rows["source"], rows["target"], strict=True), rows["signaling"], strict=True))


def balanced(built: Built) -> bool:
    """Every relation is accounted for."""
    return all(one.rows + sum(one.made.values()) == one.kept + one.n_lost for one in built.ledgers)


def test_collectri_as_decoupler_writes_it(write):
    path = write(
        "collectri.csv",
        "source,target,weight,resources,references,sign_decision\n"
        "MYC,TERT,1.0,ExTRI;HTRI;TRRUST,10022128;10491298,PMID\n"
        "SPI1,BGLAP,1.0,ExTRI,10022617,default activation\n"
        "JUN,JUN,1.0,TRRUST,1,PMID\n"
        "MYC,TERT,-1.0,SIGNOR,2,PMID\n"
        "COMPLEX:FOS_JUN,IL2,1.0,ExTRI,3,PMID\n",
    )
    built = build([path], "human")
    assert edges(built, "grn") == [("MYC", "TERT"), ("SPI1", "BGLAP"), ("FOS", "IL2"), ("JUN", "IL2")]
    (ledger,) = built.ledgers
    assert (ledger.format, ledger.rows, ledger.kept) == ("tf", 5, 4)
    assert ledger.lost == {"a gene acts on itself": 1, "the same edge again": 1}
    assert ledger.made == {"pairs of subunits of complexes": 1}
    assert balanced(built)


@pytest.mark.parametrize("tf", ["tf", "source"])
def test_dorothea_keeps_the_levels_asked_for(write, tf: str):
    path = write(
        "dorothea.csv",
        f'"{tf}","confidence","target","mor"\n'
        '"AHR","C","CYP1A1",1\n"AHR","A","CYP1B1",1\n"AR","E","KLK3",1\n"AR","D","TMPRSS2",-1\n',
    )
    built = build([path], "human")
    assert edges(built, "grn") == [("AHR", "CYP1A1"), ("AHR", "CYP1B1")]
    assert built.ledgers[0].lost == {"confidence is none of ABC": 2}
    assert built.ledgers[0].notes == ["rows of confidence ABC are used"]
    every = build([Source(path, confidence=("A", "D"))], "human")
    assert edges(every, "grn") == [("AHR", "CYP1B1"), ("AR", "TMPRSS2")]


def test_adjacencies_of_grnboost_with_a_least_importance(write):
    path = write("adj.tsv", "TF\ttarget\timportance\nPax5\tCd19\t31.5\nPax5\tCd79a\t0.2\nEbf1\tCd19\t4\n")
    built = build([Source(path, min_weight=1.0)], "mouse")
    assert edges(built, "grn") == [("Pax5", "Cd19"), ("Ebf1", "Cd19")]
    assert built.ledgers[0].lost == {"weight below 1": 1}
    # importances are of another scale in every run: they are no weight of the edge
    assert built.edges["weight"].tolist() == [1.0, 1.0]


CTX = """,,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment
,,AUC,NES,MotifSimilarityQvalue,OrthologousIdentity,Annotation,Context,TargetGenes,RankAtMax
TF,MotifID,,,,,,,,
Atf3,cisbp__M4526,0.08,3.1,0.0,1.0,gene is directly annotated,"frozenset({'weight>75.0%', 'activating'})","[('Fos', 2.5), ('Jun', 1.0)]",812
Atf3,jaspar__MA0605,0.07,3.0,0.0001,0.9,motif similar,"frozenset({'activating'})","[('Fos', 0.5), ('Egr1', 3.25)]",700
Cebpb,hocomoco__X,0.1,4.2,0.0,1.0,gene is directly annotated,"frozenset({'activating'})","[('Il6', np.float64(1.5e-01))]",12
"""


def test_regulons_of_pyscenic_ctx(write):
    built = build([write("reg.csv", CTX)], "mouse")
    assert edges(built, "grn") == [("Atf3", "Fos"), ("Atf3", "Jun"), ("Atf3", "Egr1"), ("Cebpb", "Il6")]
    (ledger,) = built.ledgers
    assert (ledger.format, ledger.rows) == ("pyscenic", 5)
    assert ledger.lost == {"several motifs support the same edge": 1}
    assert balanced(built)
    strong = build([Source(write("reg.csv", CTX), min_weight=2.0)], "mouse")
    # the weight of a target is its largest among the motifs
    assert edges(strong, "grn") == [("Atf3", "Fos"), ("Atf3", "Egr1")]


def test_a_target_list_that_is_none_is_refused(write):
    with pytest.raises(InputError, match=r"the targets of Cebpb are no list of \(gene, weight\)"):
        build([write("reg.csv", CTX.replace("[('Il6', np.float64(1.5e-01))]", "Il6;Tnf"))], "mouse")


@pytest.mark.parametrize(
    ("name", "tf"),
    [
        ("Atf3(+)", "Atf3"),
        ("Atf3_(-)", "Atf3"),
        ("Atf3 (52g)", "Atf3"),
        ("Atf3_extended (52g)", "Atf3"),
        ("STAT1 22198 HeLa human", "STAT1"),
        ("MYC_TARGETS", "MYC"),
        ("NKX2-1_regulon", "NKX2-1"),
        ("Sp1", "Sp1"),
    ],
)
def test_gene_sets_are_named_after_their_tf(write, name: str, tf: str):
    built = build([write("sets.gmt", f"{name}\thttp://motif\tFos\tJun,0.7\t\tEgr1\t\n\n")], "mouse")
    assert edges(built, "grn") == [(tf, "Fos"), (tf, "Jun"), (tf, "Egr1")]
    assert built.ledgers[0].format == "gmt"


def test_a_gene_set_without_genes_is_refused(write):
    with pytest.raises(InputError, match="line 2 is no gene set"):
        build([write("sets.gmt", "Atf3\tx\tFos\nAtf4\tx\n")], "mouse")


@pytest.mark.parametrize("kind", ["parquet", "csv", "feather"])
def test_base_networks_in_the_form_of_celloracle(tmp_path: Path, kind: str):
    table = pd.DataFrame(
        {
            "peak_id": ["chr1_100_600", "chr1_900_1400", "chr2_5_505", "chr3_1_2"],
            "gene_short_name": ["Cd19", "Cd19", "Fos", None],
            "Pax5": [1.0, 1.0, 0.0, 1.0],
            "Ebf1": [0.0, 1.0, 0.0, 0.0],
            "Fos": [0.0, 0.0, 1.0, 0.0],
            "9430076C15Rik": [0.0, 0.0, 1.0, 0.0],
        }
    )
    path = tmp_path / f"base.{kind}"
    if kind == "csv":
        table.to_csv(path)  # with the index, as people do
    elif kind == "feather":
        pyarrow.feather.write_feather(table, path)
    else:
        table.to_parquet(path)
    built = build([path], "mouse")
    assert built.ledgers[0].format == "celloracle"
    assert sorted(edges(built, "grn")) == [("9430076C15Rik", "Fos"), ("Ebf1", "Cd19"), ("Pax5", "Cd19")]
    assert built.ledgers[0].lost == {
        "the peak has no gene": 1,
        "several peaks support the same edge": 1,
        "a gene acts on itself": 1,
    }
    assert balanced(built)


CELLCHAT = (
    '"","interaction_name","pathway_name","ligand","receptor","agonist","antagonist","co_A_receptor",'
    '"co_I_receptor","evidence","annotation","interaction_name_2"\n'
    '"TGFB1_TGFBR1_TGFBR2","TGFB1_TGFBR1_TGFBR2","TGFb","TGFB1","TGFbR1_R2","TGFb agonist","TGFb antagonist","",'
    '"TGFb inhibition receptor","KEGG: hsa04350","Secreted Signaling","TGFB1 - (TGFBR1+TGFBR2)"\n'
    '"DLL1_NOTCH1","DLL1_NOTCH1","NOTCH","DLL1","NOTCH1","","","","","KEGG","Cell-Cell Contact","Dll1 - Notch1"\n'
    '"INHBA_X","INHBA_X","ACTIVIN","INHBA_INHBB","ACVR1B","","","","","KEGG","Secreted Signaling","x"\n'
)
CELLCHAT_COMPLEXES = (
    '"","subunit_1","subunit_2","subunit_3","subunit_4"\n'
    '"TGFbR1_R2","TGFBR1","TGFBR2","",""\n'
    '"INHBA_INHBB","INHBA","INHBB","",""\n'
)


def test_cellchat_with_its_table_of_complexes(write):
    files = [write("complex_input_CellChatDB.csv", CELLCHAT_COMPLEXES), write("interaction_input.csv", CELLCHAT)]
    built = build(files, "human")
    assert edges(built, "lr") == [
        ("TGFB1", "TGFBR1"),
        ("TGFB1", "TGFBR2"),
        ("DLL1", "NOTCH1"),
        ("INHBA", "ACVR1B"),
        ("INHBB", "ACVR1B"),
    ]
    assert signaling(built)["TGFB1", "TGFBR2"] == SECRETED
    assert signaling(built)["DLL1", "NOTCH1"] == CONTACT
    assert built.network.ligand_radii(200.0, 50.0) == {"TGFB1": 200.0, "DLL1": 50.0, "INHBA": 200.0, "INHBB": 200.0}
    assert balanced(built)
    assert not any("needs this table" in note for note in built.notes)


def test_cellchat_without_it_splits_names_and_says_so(write):
    built = build([write("interactions.csv", CELLCHAT)], "human")
    assert ("TGFB1", "R2") in edges(built, "lr")
    assert [note.split(";")[0] for note in built.ledgers[0].notes] == [
        "1 ligand complexes were split at _ in their name",
        "1 receptor complexes were split at _ in their name",
    ]


def test_cellchat_2_names_the_symbols_itself(write):
    path = write(
        "v2.csv",
        "interaction_name,pathway_name,ligand,receptor,annotation,ligand.symbol,receptor.symbol\n"
        'TGFB1_TGFBR1_R2,TGFb,TGFB1,TGFbR1_R2,Secreted Signaling,TGFB1,"TGFBR1, TGFBR2"\n',
    )
    built = build([path], "human")
    assert edges(built, "lr") == [("TGFB1", "TGFBR1"), ("TGFB1", "TGFBR2")]
    assert built.ledgers[0].notes == []


def test_the_short_form_of_cellchat_in_the_python_package(write):
    path = write(
        "cellchat_mouse.csv", "ligand,receptor,pathway,signaling\nTgfb1,Tgfbr1_Tgfbr2,TGFb,Secreted Signaling\n"
    )
    built = build([path], "mouse")
    assert edges(built, "lr") == [("Tgfb1", "Tgfbr1"), ("Tgfb1", "Tgfbr2")]
    assert built.ledgers[0].format == "cellchat"


CPDB_GENES = (
    "gene_name,uniprot,hgnc_symbol,ensembl\nTNF,P01375,TNF,ENSG00000232810\nTNFRSF1A,P19438,TNFRSF1A,ENSG1\n"
    "ITGAV,P06756,ITGAV,ENSG2\nITGB3,P05106,ITGB3,ENSG3\nFN1,P02751,FN1,ENSG4\nCDH1,P12830,CDH1,ENSG5\n"
    "CDH1,P12830,CDH1,ENSG5b\nHHIP,Q96QV1,HHIP,ENSG6\nSHH,Q15465,SHH,ENSG7\nDDC,P20711,DDC,ENSG8\nDRD1,P21728,DRD1,ENSG9\n"
)
CPDB_COMPLEXES = (
    "complex_name,uniprot_1,uniprot_2,uniprot_3,uniprot_4,uniprot_5,transmembrane,peripheral,secreted,secreted_desc,"
    "secreted_highlight,receptor,receptor_desc,integrin,other,other_desc,pdb_id\n"
    "integrin_aVb3_complex,P06756,P05106,,,,True,False,False,,False,True,,True,False,,\n"
    "Dopamine_byDDC,P20711,,,,,False,False,True,,False,False,,False,True,,\n"
    "lost_complex,P06756,Q00000,,,,True,False,False,,False,True,,True,False,,\n"
)
CPDB_PROTEINS = (
    "uniprot,protein_name,transmembrane,peripheral,secreted,secreted_desc,secreted_highlight,receptor,receptor_desc,"
    "integrin,other\n"
    "P01375,TNFA_HUMAN,False,False,True,,True,False,,False,False\n"
    "P19438,TNR1A_HUMAN,True,False,False,,False,True,,False,False\n"
    "P02751,FINC_HUMAN,False,False,True,,False,False,,False,False\n"
    "P12830,CADH1_HUMAN,True,False,False,,False,False,,False,False\n"
)
CPDB_HEAD = (
    "id_cp_interaction,partner_a,partner_b,protein_name_a,protein_name_b,annotation_strategy,source,is_ppi,curator,"
    "reactome_complex,reactome_reaction,reactome_pathway,complexPortal_complex,comments,version,interactors,"
    "classification,directionality,modulatory_effect\n"
)


def cpdb_row(a: str, b: str, direction: str = "") -> str:
    return f",{a},{b},x,y,curated,PMID,True,me,,,,,,CellPhoneDBcore4.1,a-b,Signaling,{direction},\n"


def test_cellphonedb_5_with_its_side_tables(write):
    rows = [
        cpdb_row("P01375", "P19438", "Ligand-Receptor"),
        cpdb_row("integrin_aVb3_complex", "P02751", "Receptor-Ligand"),
        cpdb_row("P12830", "P12830", "Adhesion-Adhesion"),
        cpdb_row("P12830", "integrin_aVb3_complex", "Adhesion-Adhesion"),
        cpdb_row("Q96QV1", "Q15465", "Ligand-Ligand"),
        cpdb_row("Dopamine_byDDC", "P21728", "Ligand-Receptor"),
        cpdb_row("lost_complex", "P02751", "Receptor-Ligand"),
    ]
    files = [
        write("interaction_input.csv", CPDB_HEAD + "".join(rows)),
        write("gene_input.csv", CPDB_GENES),
        write("complex_input.csv", CPDB_COMPLEXES),
        write("protein_input.csv", CPDB_PROTEINS),
    ]
    built = build(files, "human")
    assert edges(built, "lr") == [
        ("TNF", "TNFRSF1A"),
        ("FN1", "ITGAV"),
        ("FN1", "ITGB3"),
        ("CDH1", "CDH1"),
        ("CDH1", "ITGAV"),
        ("CDH1", "ITGB3"),
        ("ITGAV", "CDH1"),
        ("ITGB3", "CDH1"),
        ("DDC", "DRD1"),
    ]
    said = signaling(built)
    assert (said["TNF", "TNFRSF1A"], said["CDH1", "ITGAV"], said["DDC", "DRD1"]) == (SECRETED, CONTACT, SECRETED)
    assert built.ledgers[0].lost == {
        "a ligand with a ligand": 1,
        "a partner is in no table of genes or complexes": 1,
        "the same edge again": 1,
    }
    assert balanced(built)


def test_cellphonedb_4_takes_the_receptor_flags_for_direction(write):
    head = "id_cp_interaction,partner_a,partner_b,protein_name_a,protein_name_b,annotation_strategy,source\n"
    rows = ",P19438,P01375,x,y,curated,z\n,P02751,integrin_aVb3_complex,x,y,curated,z\n"
    files = [
        write("interaction_input.csv", head + rows),
        write("gene_input.csv", CPDB_GENES),
        write(
            "complex_input.csv",
            "complex_name,uniprot_1,uniprot_2,uniprot_3,uniprot_4,transmembrane,peripheral,secreted,receptor\n"
            "integrin_aVb3_complex,P06756,P05106,,,True,False,False,True\n",
        ),
        write("protein_input.csv", CPDB_PROTEINS),
    ]
    assert edges(build(files, "human"), "lr") == [("TNF", "TNFRSF1A"), ("FN1", "ITGAV"), ("FN1", "ITGB3")]


def test_cellphonedb_without_genes_says_what_to_list(write):
    with pytest.raises(InputError, match=r"list gene_input.csv \(and complex_input.csv\)"):
        build([write("interaction_input.csv", CPDB_HEAD + cpdb_row("P01375", "P19438"))], "human")


def test_cellphonedb_results_with_deconvoluted(write):
    means = (
        "id_cp_interaction\tinteracting_pair\tpartner_a\tpartner_b\tgene_a\tgene_b\tsecreted\treceptor_a\treceptor_b\t"
        "annotation_strategy\tis_integrin\tB|B\tB|T\n"
        "CPI-1\tTNF_TNFRSF1A\tsimple:P01375\tsimple:P19438\tTNF\tTNFRSF1A\tTrue\tFalse\tTrue\tcurated\tFalse\t0.1\t0.2\n"
        "CPI-2\taVb3_FN1\tcomplex:integrin_aVb3_complex\tsimple:P02751\t\tFN1\tTrue\tTrue\tFalse\tcurated\tTrue\t1\t2\n"
        "CPI-3\tx_FN1\tcomplex:unheard\tsimple:P02751\t\tFN1\tTrue\tTrue\tFalse\tcurated\tTrue\t1\t2\n"
    )
    deconvoluted = (
        "gene_name\tuniprot\tis_complex\tprotein_name\tcomplex_name\tid_cp_interaction\tB\tT\n"
        "TNF\tP01375\tFalse\tTNFA_HUMAN\t\tCPI-1\t0.1\t0.3\n"
        "ITGAV\tP06756\tTrue\tITAV_HUMAN\tintegrin_aVb3_complex\tCPI-2\t0.1\t0.3\n"
        "ITGB3\tP05106\tTrue\tITB3_HUMAN\tintegrin_aVb3_complex\tCPI-2\t0.1\t0.3\n"
    )
    built = build([write("means.txt", means), write("deconvoluted.txt", deconvoluted)], "human")
    assert edges(built, "lr") == [("TNF", "TNFRSF1A"), ("FN1", "ITGAV"), ("FN1", "ITGB3")]
    assert built.ledgers[0].format == "cellphonedb-results"
    assert built.ledgers[0].lost == {"a complex is not in the table deconvoluted": 1}
    assert balanced(built)


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("ligand,receptor", "TGFB1,TGFBR1_TGFBR2"),
        ("source,target,ligand_complex,receptor_complex,lr_means", "B,T,TGFB1,TGFBR1_TGFBR2,0.4"),
    ],
)
def test_resources_and_results_of_liana(write, head: str, row: str):
    built = build([write("liana.csv", f"{head}\n{row}\n")], "human")
    assert edges(built, "lr") == [("TGFB1", "TGFBR1"), ("TGFB1", "TGFBR2")]
    assert built.ledgers[0].format == "liana"


OMNIPATH = (
    "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_directed\tis_stimulation\tis_inhibition\t"
    "consensus_direction\tconsensus_stimulation\tconsensus_inhibition\tsources\treferences\tligrecextra\ttype\n"
    "P01375\tP19438\tTNF\tTNFRSF1A\t1\t1\t0\t1\t1\t0\tCellPhoneDB\tx\tTrue\tpost_translational\n"
    "P01137\tCOMPLEX:P36897_P37173\tTGFB1\tCOMPLEX:TGFBR1_TGFBR2\t1\t1\t0\t1\t1\t0\tSIGNOR\tx\tTrue\tpost_translational\n"
    "P31749\tP49841\tAKT1\tGSK3B\t1\t0\t1\t1\t0\t1\tKEGG\tx\tFalse\tpost_translational\n"
    "Q1\tQ2\tNOTCH1\tDLL1\t0\t0\t0\t0\t0\t0\tHPRD\tx\tTrue\tpost_translational\n"
    "P01106\tO14746\tMYC\tTERT\t1\t1\t0\t1\t1\t0\tExTRI\tx\tFalse\ttranscriptional\n"
)


def test_interactions_of_omnipath(write):
    built = build([write("interactions.tsv", OMNIPATH)], "human")
    assert edges(built, "lr") == [("TNF", "TNFRSF1A"), ("TGFB1", "TGFBR1"), ("TGFB1", "TGFBR2")]
    assert edges(built, "grn") == [("MYC", "TERT")]
    assert built.ledgers[0].lost == {"the interaction has no direction": 1, "not flagged as ligand-receptor": 1}
    assert balanced(built)


def test_the_intercellular_network_of_omnipath(write):
    path = write(
        "intercell.csv",
        "category_intercell_source,genesymbol_intercell_source,secreted_intercell_source,category_intercell_target,"
        "genesymbol_intercell_target,source,target,is_directed\n"
        "ligand,TNF,True,receptor,TNFRSF1A,P01375,P19438,True\n"
        "ligand,DLL1,False,receptor,NOTCH1,O1,P2,True\n"
        "ecm,FN1,True,adhesion,ITGAV,P3,P4,True\n",
    )
    built = build([path], "human")
    assert edges(built, "lr") == [("TNF", "TNFRSF1A"), ("DLL1", "NOTCH1")]
    assert (signaling(built)["TNF", "TNFRSF1A"], signaling(built)["DLL1", "NOTCH1"]) == (SECRETED, CONTACT)


def test_omnipath_without_symbols_says_what_to_ask_for(write):
    path = write("interactions.tsv", "source\ttarget\tis_directed\nP01375\tP19438\t1\n")
    with pytest.raises(InputError, match="genesymbols=1"):
        build([Source(path, format="omnipath")], "human")


def test_a_format_for_all_files_does_not_mean_side_tables(write):
    files = [write("complexes.csv", CELLCHAT_COMPLEXES), write("interactions.csv", CELLCHAT)]
    built = build([Source(file, format="cellchat") for file in files], "human")
    assert ("TGFB1", "TGFBR2") in edges(built, "lr")
