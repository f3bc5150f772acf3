"""Letters of the languages of Europe that are not in ASCII, and the letters beside them.

Counted in frequent words and in names of people, streets and towns. With them a reading of bytes
can be compared with another: ``Dvořák`` is Czech, ``Dvoøák`` is no language.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

import attrs

__all__ = ["EDGE", "Letter", "alphabet"]

EDGE: Final = "."
"""Beside the first and the last letter of a word."""


@attrs.frozen
class Letter:
    """A letter in a language.

    Attributes:
        rarity: From 0, one of the letters used most, to 3.
        before: Rarity of each letter before it, from 0 to 2; empty if that says nothing.
        after: Rarity of each letter after it.
    """

    rarity: int
    before: Mapping[str, int]
    after: Mapping[str, int]


@cache
def alphabet(language: str) -> Mapping[str, Letter]:
    """Return the letters of a language that are not in ASCII, in lower case.

    Args:
        language: Its English name.
    """
    if language in _SCRIPTS:
        return {
            letter: Letter(min(place // 10, 2), {}, {})
            for place, letter in enumerate(_SCRIPTS[language])
        }
    _, _, text = _TABLE.partition(f"# {language}\n")
    lines = text.partition("#")[0].splitlines()
    return {line[0]: _parse(*line[1:].split(" ")) for line in lines}


def _parse(rarity: str, before: str, after: str) -> Letter:
    return Letter(int(rarity), _parse_neighbours(before), _parse_neighbours(after))


def _parse_neighbours(text: str) -> Mapping[str, int]:
    return {letter: rarity for rarity, group in enumerate(text.split("/")) for letter in group}


_SCRIPTS: Final = {
    "Russian": "оаиенвртлскмдпуяыьгзйчбхюжшщцэфъёєіїґ",
    "Greek": "αοιετσνηυρπκμλςίωάγδόέθχφήβύξώζψϊϋΐΰ",
}
"""Alphabets without a letter of ASCII; those used most come first."""

# A letter and its rarity, the letters before it, and those after it, by rarity. A point is the
# edge of a word.
_TABLE: Final = """\
# German
ä0 htrl/wfmj.sbknpg/zd nrthu/slcgfdm/ibk
ü0 rf.m/lhtkbwgsjn/dzp brhnc/ltsgd/mfßp
ß0 a/ie/uoüö e/./slbwrg
ö0 hrkl/mb.tdswgpfjzn/vi rshlnc/fgtdbm/pwkv.
é2 rslcn/mdhotgpf/vkbji .lr/adeombpt/cnvs
è3 lnrids/./ nslg/r./
ë3 oa// l/n/
á3 mcft/.b/ snbt/./
ç3 n// ao//
ô3 hrc// nmt//
à3 .// .//
# French
é0 r.dlt/hsnmcgpvu/ibofj .rel/stmcdvgpon/abfq
è0 irld/nghbfmtc/psv. rsvn/glmt/cdqb
ê1 rv/m/.putnbfg tq/m/cvnl
ç1 n/a.re/pé oa/u/à
î2 ao/./dbgun tn/l/cm
ô2 rtch/pl/n.mvda mtl/np/.
ï2 a/o/ue sd/.qnte/clvafbrw
ë2 o/a/u l//.n
â2 .blhprg/métfc/n tcg/lmn/bq.ps
à2 .lj//ç .//
û3 osr/dmfbe/lqp trl/.c/mn
œ3 .csn/vhbm/f u/id/tcs
ù3 o// .//
ü3 fmjad.// rslhb//
ñ3 e// a//
ÿ3 ao/ue/ ./es/
# Spanish
ó0 ijr/tclmdn/gzesp.ybvf n./m/slrgfdptxvc
í0 rt/dlmcnfauvgs/bpe.oh an/.soctd/mfgbrelqñp
á0 r.m/ltcdibvnsgfp/uzwjhy n.s/rltgmeczb/fvxupñi
é0 msrt/linudc.bv/fghpyoaj .snr/ltc/dvgixempbfjau
ñ0 aei/uo/úáíó aoe/i/óí
ú1 .mtnp/sgarbdc/hfelzyj nslb/.gmarñtpd/cezo
ü3 g/fm/ eíi/rl/h
ç3 rn// ao//
# Portuguese
ç0 an/ier/uocp aão/õ/
ã0 çs/hotmirvd/ncjlgepxf o/e./s
á0 rstm./lnbidcvp/fhujgo r./lvstgucb/fdzpxnq
é1 msrt./lcdgpnzvjkb/xufaih .rm/slntdgcvib/up
í1 ult/rvma.scnfd/pgoebxh scd/vtnlrma.p/fbgzoq
ó1 tr/pl.secnmd/gfijvbho rn/svlgd.pitfbcx/mq
õ1 çm/sitph/rxlezgd e//
ú1 anpl/j.mrtd/iecbfsçh jbrclns/dm/tvp.z
ê1 tndrc/giulvm/bps.füzh ns./mv/dxueb
â1 .rtc/fnlm/gpidvzu nm//
ô2 nlrcmtp/vdf.bz/sjg nm./sa/lrod
à3 .//lj .sq//
ü3 q/gmf/ eêi/lhí/
# Italian
à0 tr/oni/ldsp .//
ò0 lr/itun/cdsvmpzg .//
è0 ur./h/ofbsnit .//
é1 ph/.ns/rftcmkobil .//lrsmeqpxcta
ù1 dir/tsb/nlgf .//
ì1 msd/lrucp/ntbvg. .//tp
ó3 urleigpm// .npm//
# Dutch
ë0 ioe/a/ ln.r//ibpsedtxvz
é0 mfo./éhsrtv/dkelncwzpg l.en/és/rtpwcmob
ï1 eoa/u/ ns/etdmrb/l.vc
è1 ji/hcrn./pdbwès nrg./vl/cmstè
ö1 okhb/rmj/gf. rnks/p.l/tdh
â2 w/lh./ l/nt./
ó2 óv.z/nmegctir/ órn./fgkmce/
ü2 em.g/fduzjtnbw/ nrsbl/phm/
á2 n.mdu/szwráhktb/ nl.rtx/áv/
ç2 na/hr/ oa/e/
û2 hm// ns//
í2 rc.d/vnt/ ago/censk/
ê3 ugt// tn//
# Danish and Norwegian
ø0 rjlh.b/snftem/kdgapiv r.m/ykgdensavlj/btpf
å0 grvn./hpmsetlk/dfba rstg./ldknvbe/p
æ0 rvs/nlbjktf.m/hgdp rds/tnklgb/vmf
é1 l//d.rn .e//nt
ü3 kmlr/f.nz/dwj cnr/lbgs/.h
ö3 jgm/fk./d lr./nt/s
ä3 .bmkdn/vj/ rhsn./cm/
è3 .nd/ir/ nv./rm/
ó3 mf.// nrg//
ô3 f// r//
ò3 .// g//
# Swedish
ä0 vr/l.jthsbmkn/gfdp ngrl/tcsdmk/vxpf
ö0 rfj./sklghmbt/dn rms/dvlnptgk./fjbh
å0 .grm/shpltvenfd/kbå rnk.sl/tgd/hbevpmå
é1 rdls/nz/tmfkc n./eas/
ü3 mgjzf/.drln/ rnsbl/g/
à3 .j// .//
ø3 .j// .r//
á3 .// .//
è3 nr// vm//
æ3 .// r.//
# Finnish
ä0 tljäm/vkspnrh/i.deyw .nä/rlktismehjvy/pgb
ö0 yktjri/lbndp/svömf.h .nlk/sbrytim/pjöähdgv
é2 rdz// n//.
ü3 mgz// nrl//
å3 .pte// .bhk//
š3 t// e//
# Catalan
ó0 i/lsr/tmdcngfbaçep.u ./sn/rcm
à0 rtm/lc.indsp/bfvguhyçjxz .rn/stclfmg/pvbuxdq
è0 trd/mlnguicp.sbv/füxoah nsr/.tcdmli/xgpfvu
í0 ltr/muvsdcnf.p/xgabühe .snct/mfedal/gpbrvoqx
ò1 tlrn/cmp.xsfibde/ghçv rnmg.l/spbtcxd/fqv
é1 rm.but/vcnlds/fipxg s./nur/itmlc
ç1 nar/leip/ou. a.o/uó/àòm
ú1 .pnm/tgrbcdlsj/fxa s.bnl/rmtp/vdcñ
ï1 uae/oi/ tnd/slcm.ba/re
ü2 qg/a/iefdm eèí/ilr/tshjn
# Icelandic
ð0 iar/uæóíáegö/ofýyú .iua/slr/vnfbhjgmket
á0 .rjm/nhlsfkþ/pbgtdv lrt.ð/snkhmgf/bviuaæpde
ó0 j.rd/tkslbmfþh/gnpí rltðn/ksmpf./ghvabuþid
æ0 rvtl/bhf.snmgd/kþáp ðtrk/gnmlsf/jd.vpi
ö0 jtl.v/hsrmgfk/bdnpþ rlgnfk/ðts/mpx.d
í1 lrv.ts/mnbk/dfpgþah ksðnm/.tfula/rgbþhóedvp
þ1 ./lí/masnróug erja/ióoáuyývæú/é.íö
ú1 .rbhjn/tkslmþ/gdpf tsnr/lka.iðmp/fgdbuve
é1 frs/hlv.þ/tmpn ltr/.gfkð/sun
ý1 nls/rdþk.tb/mh rsnð/tjml.k/pdivgf
# Polish
ł0 aos/.iedugykzpów/bcmhrętął ao./yeuką/ęócntbdmgpł
ś0 o.eay/iuę/jp c.wl/nćkmr/p
ą0 jizn/lłwdkrsct/bżmg .cd/tszgżb/ćłkp
ó0 rktg/pwmłinczbds/jlh wr/łljdżzbc/gtźs
ę0 izj/rtłkndbwml/gpsch .cd/tbkgpżsś/złćl
ż1 .aoe/uóęąyird/młlkn yeaon/.udsk/ąlbwcmęó
ć1 aiśye/ąu./ęoźr ./k/wmc
ń1 oaeyi/u/ .sc//k
ź2 daeo/u.ób/yęi n.d/lwrmkc/ćb
# Czech
á0 kvnr/lztdhm/spbřžčjiše ./nlmtvdkzcrs/řšžhjčbp
í0 nř/lvtcjmščdbžs/zpi ./mnkctrlhsd/čžšvzřbpj
ě1 ntvmd/bp/ .lts/jnkdžmzrc/přvhščb
š1 .ieuo/aáyvíj/ýrněltpmšdzžéůú etíok./iťnpla/váušmsňů
ř1 pto/b.áadehkíiě/vuyzéúmý eíi/o.aás/bvmk
č1 .eoi/auíálvnr/úěybdjékm enikí/a.ot/áluůscv
é1 knvl/trdm/ihscfp .hm/nr/tklzřdčsš
ž1 .ouea/áíěrůin/lymdvú einí./okadás/lumbďhšv
ý1 vnkt/lrbdmh/s .cm/ndšrsvkt/hzblpřj
ů1 rtkdm/pnvlhczč/sjšřb .m/vsžljrzd/nšbck
ň2 eao/iudáyšbl/ížvtrzěsjp .skao/uác/tů
ú2 ./s/zeaj spčtd/vhřjzrškn/žmlc.
ť2 ša/syěou/íer.h .aso/áu/ktm
ď3 žeua/jěo.ái/ír .aot/ám/uk
ó3 zkgm/ilptfnjv/.srb ndlzr/.g/tmbč
# Slovak
á0 vnkr/lztmhd/pibsgjufče ./rnvlckmdts/ščzhžbpjľň
š0 .uai/oeáyjvnú/rílpýčžbšzdkhmľ tiokea/.ínpťl/usvšňúľčá
č0 .ioae/ánúru/víjläbykdpšmýľ ieanok/í./ulšástmúr
í1 nrlt/čšvdmžbzps/cjik k.nm/cvsrt/žščzpldťbj
ý1 nkv/trl/mhbdpzs .cm/svrt/škbzlhžnpčd
é1 nkv/trl/hmidscfgpb .h/rmn/tdzlg
ž1 .uaoei/áírô/únylĺýdvjk iena/íod.ksu/bšňmlt
ú1 j.nkst/lrdc/hvľpmšbzč .c/sčrtpdšbkťz/žvlnhmfňľ
ť1 ais/šeú.í/uäyrzcoá .a/o/á
ľ1 eo./aháukd/šbpsiúíýz aoku/n.sú/vmbšč
ň2 eao/áriyšždv.l/pôútŕhĺísukmbjzľč ao./uá/kth
ô2 pdmk/rhvtbn/.lsg sžrvl/tzjdcbň/pkčľh
ó2 rtl/ikgzmnf/depjbsv nrpgd/mlzb/tksc.f
ď2 .ae/vuo/rlžátí au.o/á/tmž
ä2 vmp//b tčzť/sn.d/ck
# Hungarian
á0 vmh/trblnpzsj.k/gdiyfe rtsnl/zcgdbkv/mj.
é0 tlzn/vk.rsmbygd/fphjc krsng/lmtp/vzbd.jc
ö1 kryt/.zlndj/fsgvbmh rsvkz/ntl/bdmg
ő1 dskztl/rnbf/.yvghp .r/hlstikvfmndbz/ajge
ó1 tlrs/izdjbg.km/hynpev t.l/skbdrzngmf/hjvipac
í1 hyz/sl.ktdpgbv/mrcnej dtr/vnz/mgjlscpk
ü1 fzrk/.tslpjy/ngvdbhm rlnk/gtz/svdm
ú1 .d/srtm/hjygazlinkb tj/.lgshrk/zfmcnid
ű2 mtry/zbsngh/dfv.kjl .vnks/zlrejtb/chfag
# Slovene
č0 io.eaš/nuvr/bljpk eian./ukj/rlo
š0 i.aoe/rujvn/mkzpbl ktečia/n.ol/pmujv
ž0 o.eau/ri/nldmv iean/j.bu/mogkrl
ć2 i//. .e//a
# Croatian
ć0 ie/uao/š.p .e/ia/uno
š0 .iaoeu/r/pvkj tieak/n.luć/opčv
č0 ia.uo/enr/šljvp ieakn/u./oljv
ž0 .auore/id/n iea/nub/djo.rml
đ1 aeo./runi/ž eau/i/o.
# Romanian
ă0 țtcr/lmpnzsdbg/vfu .rn/tldțm/scziupșg
ţ0 inau/eăc/r.olpbms iăa/.e/u
ş0 eau./io/ănâr .tuci/oae/nă
â1 mrcts/vgpfznl/bdțuh nr/tmliș/uțds
î1 .//etmcrs nm//ilșțt.
# Turkish
İ1 .//l nsl/zbmrp/dhkcçvğty
ı0 rlnsd/tykğmşçz/cfgp.bh .nlr/mkzşysğ/tdpcçfv
ü0 gtd/.mlynrksb/şzhğcfç lnr/.zkmşçsy/ctvfdbğphgj
ş0 .aiıu/eür/oylhnv a.ei/ıtlmküu/rbcshvföo
ç0 .kn/aüeiur/ıltyohş aeoiı/.lm/tbsugküöy
ğ1 oaieıu/öü/ liıau/re.üdm/bcvt
ö1 .g/skdnbty/lrçmşuz znr/klcyğs/vhtmdpş
â2 lk./hv/gndy ltmdn.z/ybr/shkğş
# Lithuanian
ė0 nldtrk/bmvsgp/šžjzi.a .sjt/lmgdk/nržvpšč
ų0 itj/mnkrlgds/vbpšž ./j/s
š0 i.ae/kruo/ypūėg ikta/veoyčsluė/.mrgpnįbūųdą
ž0 .adu/ero/ėįimąyglnp iae/uoymdtvsk/nėį.ąrųplūbę
ą0 mtj/skrnilgdv/bpž.š ./js/žlrmv
į1 .nt/lrjkd/žsešgpvmb .sv/rtžkgmdp/jėlš
ū1 bitrk/jmls.gd/pšvcžnz rsnkdt/plg/mšzvčb.ž
č1 eniaš/.usyro/ėlūkpm i/e/.ad
ę1 ntlk/vbrjmdgs/pšžz .s//
# Latvian
ā0 tnjrk/mlpdgvsb/š.zicļņuže .srtkj/mdlcvn/pšzbf
ī0 trzld/ncmsv./bpšķžģ btg/vjsdnm.kcrš/lzpļņ
ē0 vlpmtr/dzsncbņ/.ķjšģžf jtr.l/msdkšn/cgģļvpzķž
š1 o.euka/ērāīiņ/gmūtplnzļ aiu/oķā.ī/sērnveņtldpmū
ū1 btrjl/msgļp./kndšzcčž trsd/kvpzšn.l/gžcmjķ
ņ1 iea/zou.āī/rštpļkē auei/ēošā/ķģd.b
ļ1 kea/iu.ēīgtā/opbļš aui/āoū./ķņešļģvēkrlf
ž1 ead./ioāūēu/rīnmgl ouaāie/.ēīģ/sūrkņm
ķ2 š.i/raēeļņī/ouūā ieīē/ua/āotū
ģ2 ē.oea/iružņļ/pīā ie/ēīu/a.o
č2 .an/oieāu/īlūp euai/āoū/sp.īh
#
"""
