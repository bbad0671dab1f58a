"""Mouse gene symbols that fill a panel when the starter network has too few of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TRANSCRIPTION_FACTORS = _words("""
    Arid5b Arnt Ascl1 Atf3 Atf4 Bach2 Batf Bcl11a Bcl11b Bcl6 Bhlhe40 Cebpa Cebpb Cebpd Clock Creb1 Crem Ctcf Cux1
    Dlx2 E2f1 E2f3 Ebf1 Egr1 Egr2 Elf1 Elk1 Emx2 En1 Eomes Erg Esr1 Ets1 Etv4 Fli1 Fos Fosb Fosl2 Foxa2 Foxc1 Foxg1
    Foxj1 Foxm1 Foxo1 Foxo3 Foxp1 Foxp2 Foxp3 Gata1 Gata2 Gata3 Gata4 Gata6 Gfi1 Gli1 Gli3 Hes1 Hes5 Hey1 Hhex Hif1a
    Hmga2 Hnf1b Hnf4a Hoxa9 Hoxb4 Id2 Id3 Ikzf1 Ikzf2 Irf1 Irf4 Irf8 Isl1 Jun Junb Jund Klf2 Klf4 Klf6 Lef1 Lhx2
    Lmo2 Maf Mafb Max Mecom Mef2a Mef2c Meis1 Mitf Msx1 Myb Myc Mycn Myod1 Neurod1 Neurod2 Neurog2 Nfatc1 Nfatc2
    Nfe2l2 Nfia Nfib Nfkb1 Nfkb2 Nkx2-1 Nkx2-5 Nr1d1 Nr2f1 Nr2f2 Nr3c1 Nr4a1 Olig1 Olig2 Onecut2 Otx2 Pax3 Pax5 Pax6
    Pbx1 Pou2f2 Pou3f2 Pou5f1 Pparg Prdm1 Prox1 Rara Rbpj Rel Rela Relb Rest Rfx4 Rora Rorc Runx1 Runx2 Runx3 Rxra
    Satb2 Six1 Smad3 Smad4 Snai1 Snai2 Sox10 Sox17 Sox2 Sox4 Sox5 Sox6 Sox9 Sp1 Spi1 Spib Srf Stat1 Stat3 Stat4
    Stat5a Stat6 Tal1 Tbr1 Tbx21 Tcf12 Tcf4 Tcf7 Tcf7l2 Tead1 Tfap2a Tfap2c Twist1 Usf1 Xbp1 Yy1 Zbtb16 Zeb1 Zeb2
    Zfp36l1
""")

LIGANDS = _words("""
    Angpt1 Angpt2 Apoe App Areg Bdnf Bmp2 Bmp4 Bmp7 C3 Ccl11 Ccl17 Ccl19 Ccl2 Ccl20 Ccl21a Ccl22 Ccl3 Ccl4 Ccl5
    Cd40lg Cd80 Cd86 Cntf Col1a1 Col4a1 Csf1 Csf2 Csf3 Cx3cl1 Cxcl1 Cxcl10 Cxcl12 Cxcl13 Cxcl16 Cxcl2 Cxcl9 Dhh Dkk1
    Dll1 Dll4 Edn1 Efna1 Efna5 Efnb1 Efnb2 Egf Epo Ereg Fasl Fgf1 Fgf10 Fgf2 Fgf7 Fgf9 Flt3l Fn1 Gas6 Gdf15 Gdnf Grn
    Hbegf Hgf Icam1 Ifng Igf1 Igf2 Ihh Il10 Il11 Il12a Il13 Il15 Il16 Il17a Il18 Il1a Il1b Il2 Il21 Il22 Il23a Il27
    Il33 Il34 Il4 Il5 Il6 Il7 Inhba Jag1 Jag2 Kitl Lama1 Lama4 Lgals9 Lif Lta Mdk Mif Ngf Nrg1 Nrg3 Nrtn Ntf3 Ntn1
    Ocln Osm Pdgfa Pdgfb Pdgfc Pgf Postn Pros1 Pspn Ptn Rspo1 Rspo3 Sema3a Sema3c Sema4d Sema6a Sfrp1 Shh Slit1
    Slit2 Spp1 Tgfa Tgfb1 Tgfb2 Tgfb3 Thbs1 Tnc Tnf Tnfsf10 Tnfsf11 Tnfsf12 Tnfsf13b Tnfsf14 Tslp Vegfa Vegfb Vegfc
    Wnt1 Wnt11 Wnt2 Wnt3a Wnt4 Wnt5a Wnt7a Wnt9a Xcl1
""")

RECEPTORS = _words("""
    Acvr1 Acvr1b Acvr2a Axl Bmpr1a Bmpr1b Bmpr2 C3ar1 Ccr1 Ccr2 Ccr3 Ccr4 Ccr5 Ccr6 Ccr7 Cd27 Cd28 Cd36 Cd4 Cd40
    Cd44 Cd47 Cntfr Csf1r Csf2ra Csf3r Ctla4 Cx3cr1 Cxcr1 Cxcr2 Cxcr3 Cxcr4 Cxcr5 Cxcr6 Dcc Ddr1 Ddr2 Ednra Ednrb
    Egfr Eng Epha2 Epha4 Epha7 Ephb1 Ephb2 Ephb4 Epor Erbb2 Erbb3 Erbb4 Fas Fgfr1 Fgfr2 Fgfr3 Fgfr4 Flt1 Flt3 Flt4
    Fzd1 Fzd2 Fzd3 Fzd5 Fzd7 Gfra1 Gfra2 Ghr Havcr2 Icos Ifnar1 Ifnar2 Ifngr1 Ifngr2 Igf1r Igf2r Il10ra Il11ra1
    Il12rb1 Il13ra1 Il15ra Il17ra Il18r1 Il1r1 Il1rl1 Il21r Il22ra1 Il27ra Il2ra Il2rb Il2rg Il4ra Il5ra Il6ra Il6st
    Il7r Insr Itga1 Itga2 Itga4 Itga5 Itga6 Itga9 Itgal Itgam Itgav Itgb1 Itgb2 Itgb3 Itgb5 Kdr Kit Ldlr Lepr Lgr4
    Lgr5 Lifr Lrp1 Lrp5 Lrp6 Ltbr Mertk Met Ngfr Notch1 Notch2 Notch3 Notch4 Nrp1 Nrp2 Ntrk1 Ntrk2 Ntrk3 Osmr Pdcd1
    Pdgfra Pdgfrb Plxna1 Plxna2 Plxnb1 Plxnb2 Plxnd1 Ptch1 Ptch2 Ptprz1 Ret Robo1 Robo2 Ror1 Ror2 Ryk Sdc1 Sdc4 Smo
    Sorl1 Tek Tgfbr1 Tgfbr2 Tgfbr3 Tie1 Tlr2 Tlr4 Tnfrsf10b Tnfrsf11a Tnfrsf12a Tnfrsf13b Tnfrsf13c Tnfrsf14
    Tnfrsf1a Tnfrsf1b Trem2 Tyro3 Unc5b Unc5c Xcr1
""")

OTHERS = _words("""
    Actb Aldoa Aldoc Ank2 Aqp4 Arpc2 Atp1a2 Atp5b B2m Calm1 Calb1 Camk2a Cd63 Cd9 Cfl1 Chga Cltc Cox4i1 Cox6c Cplx1
    Cst3 Ctsb Ctsd Cycs Dcn Ddx5 Des Eef1a1 Eef2 Eif4a1 Eno1 Eno2 Fth1 Ftl1 Gad1 Gad2 Gapdh Gfap Glul Gnas Gpi1
    Gpm6a Gusb H2-D1 H2-K1 Hexb Hmbs Hprt Hsp90ab1 Hspa5 Hspa8 Kif5a Ldha Lum Lyz2 Map1b Mbp Mgp Mobp Mog Myh9 Myl6
    Nefl Nefm Npm1 Nsg1 Oaz1 Pabpc1 Pcp4 Pgk1 Pkm Plp1 Polr2a Ppia Prdx1 Psap Psma1 Psmb4 Ptma Pvalb Rac1 Rhoa
    Rpl13a Rpl32 Rplp0 Rps18 Rps3 S100a6 S100b Sdha Slc17a7 Slc1a2 Slc1a3 Snap25 Sparc Sst Stmn1 Syn1 Syp Syt1 Tagln
    Tbp Tfrc Thy1 Tpi1 Tpt1 Tuba1a Tubb5 Ubc Uchl1 Vim Vip Vsnl1 Ywhaz
""")


def predicted_genes(taken: Iterable[str]) -> Iterator[str]:
    """Yield names in the style of predicted mouse genes (Gm10001, ...) that are not taken; never ends."""
    used, number = set(taken), 10000
    while True:
        number += 1
        if (name := f"Gm{number}") not in used:
            yield name
