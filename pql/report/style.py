"""The page's one style sheet and its one script, and the policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib

CSS = """
:root{color-scheme:light dark;--paper:#fdfcf9;--card:#f6f4ee;--ink:#1d2126;--soft:#565d66;--faint:#676d75;--rule:#e2ded4;
--model:#1d5f91;--other:#96590f;--bad:#a8431f;--good:#2b7350;--tint:#e8eff5;--shade:#0002;
--serif:"Iowan Old Style","Charter","Palatino Linotype","Source Serif Pro",Georgia,"DejaVu Serif",serif;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;
--mono:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e6e3dc;--soft:#a5abb3;--faint:#8b929b;
--rule:#2e343c;--model:#7fb8e2;--other:#d3a76c;--bad:#ec9a76;--good:#86cba7;--tint:#1d2a36;--shade:#fff2}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 var(--sans);font-variant-numeric:tabular-nums}
main,header,footer,nav{max-width:62rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:3.5rem}
h1,h2{font-family:var(--serif);font-weight:600;letter-spacing:-.01em;line-height:1.2}
h1{font-size:2.3rem;margin:.3rem 0 .6rem}
h2{font-size:1.45rem;margin:0 0 .6rem}
h3{font-size:.95rem;font-weight:600;margin:0 0 .5rem}
p{margin:0 0 .9rem;max-width:46rem}
.eyebrow{color:var(--faint);font-size:.78rem;letter-spacing:.09em;text-transform:uppercase;margin:0}
.asked{font-size:1.05rem;color:var(--soft);overflow-wrap:anywhere}
.lead,figcaption,.quiet{color:var(--soft)}
.lead{font-size:1rem}
section{padding:2.4rem 0 1.2rem;border-top:1px solid var(--rule);margin-top:1.6rem}
nav{padding-top:.5rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;padding:0;margin:1.4rem 0 0;font-size:.88rem}
a{color:var(--model);text-decoration:none}
a:hover{text-decoration:underline}
.verdict{border-left:4px solid var(--good);background:var(--card);padding:1rem 1.2rem;border-radius:0 6px 6px 0;margin:1.4rem 0}
.verdict.lost{border-color:var(--bad)}
.verdict.open{border-color:var(--other)}
.verdict p{margin:0}
.verdict strong{font-family:var(--serif);font-size:1.2rem;font-weight:600;display:block;margin-bottom:.2rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1.2rem;margin:1.6rem 0 0;padding:0}
.tiles div{border-top:1px solid var(--rule);padding-top:.6rem}
.tiles b{display:block;font:600 1.5rem/1.25 var(--serif)}
.tiles span,.tiles small{color:var(--soft);font-size:.84rem;line-height:1.4;display:block}.tiles small{color:var(--faint)}
code,pre{font-family:var(--mono);font-size:.86em}
pre{background:var(--card);border-radius:6px;padding:1rem 1.2rem;overflow-x:auto;line-height:1.55;margin:0 0 1rem}
pre.query{font-size:.95rem;white-space:pre-wrap;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:minmax(7rem,11rem) 1fr;gap:.45rem 1.2rem;margin:0 0 1.2rem}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere;max-width:46rem}
.scroll{overflow-x:auto;margin:0 0 1.2rem}
.scroll,.pan{background:linear-gradient(to left,var(--paper) 1.5rem,transparent) right/3rem 100% no-repeat local,
linear-gradient(to left,var(--shade),transparent) right/1rem 100% no-repeat scroll}
.scroll:focus-visible,.pan:focus-visible,pre:focus-visible,a:focus-visible,summary:focus-visible{outline:2px solid var(--model);outline-offset:2px}
.sort th:focus-visible{outline:2px solid var(--model)}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;padding:.42rem .8rem .42rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--soft);font-weight:500;white-space:nowrap;border-bottom-color:var(--faint)}
td.n,th.n{text-align:right;white-space:nowrap}td.n+td:not(.n),th.n+th:not(.n){padding-left:1.2rem}
td{overflow-wrap:break-word;max-width:26rem}td.w{white-space:nowrap}td.l{min-width:12rem}
tr.on td{font-weight:600;background:var(--tint)}
tr.on td:first-child{box-shadow:-.6rem 0 0 var(--tint)}
.sort th{cursor:pointer}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1.6rem 2.2rem;margin:1rem 0}
figure{margin:0 0 1rem}
figcaption{font-size:.86rem;line-height:1.5;margin-top:.4rem;max-width:44rem}
.pql-picture{display:block;max-width:100%;height:auto;--pql-paper:var(--paper);font-family:var(--sans)}
.pql-halo{stroke:var(--pql-paper)}
.figures .pql-picture{width:100%;max-width:32rem}
.rivals .pql-picture{width:100%;max-width:36rem}
.pan{overflow-x:auto}
.pan .pql-picture{max-width:none}
td .pql-picture{width:7rem;max-width:none}
.example{border-left:2px solid var(--rule);padding-left:1.1rem;margin:0 0 1.6rem}
.example h3{margin-bottom:.2rem}
.badge{display:inline-block;font-size:.74rem;padding:.05rem .5rem;border-radius:9px;background:var(--card);color:var(--soft)}
.badge.much{color:var(--bad)}.badge.some{color:var(--other)}.badge.little{color:var(--good)}
details{margin:.4rem 0 1rem}
summary{cursor:pointer;color:var(--model);font-size:.92rem;padding:.2rem 0}
ul.notes{padding-left:1.1rem;margin:0 0 1rem;max-width:46rem}
ul.notes li{margin-bottom:.4rem}
footer{color:var(--faint);font-size:.82rem;padding-top:1.5rem;padding-bottom:3rem}
@media (max-width:34rem){body{font-size:15px}main,header,footer,nav{padding-left:1rem;padding-right:1rem}
header{padding-top:1.8rem}h1{font-size:1.75rem}.facts{grid-template-columns:1fr;gap:.1rem}.facts dd{margin-bottom:.6rem}
section{padding-top:1.6rem}}
@media print{:root{--paper:#fff;--card:#f6f6f3;--ink:#000;--soft:#444;--faint:#666;--rule:#ddd;--model:#1d5f91;
--other:#87560f;--bad:#96330f;--good:#1f6042;--tint:#eef3f7;--shade:transparent}
body{font-size:10.5pt}nav{display:none}
section,figure,.example,tr{break-inside:avoid}section{break-inside:auto;padding-top:1.2rem;margin-top:.8rem}h2,h3,.lead{break-after:avoid}
.scroll,.pan{overflow:visible;background:none}.pan .pql-picture{max-width:100%}pre{white-space:pre-wrap;overflow-wrap:anywhere}
table{font-size:8pt}th,td,td.n,th.n,td.w{white-space:normal;padding-right:.4rem}td.l{min-width:0}td{overflow-wrap:anywhere}td.n,td.w{overflow-wrap:normal}
details::details-content{content-visibility:visible;display:contents}}
"""

JS = """
document.querySelectorAll('table.sort th').forEach(function(h){
var sort=function(){var t=h.closest('table'),b=t.tBodies[0],i=h.cellIndex,d=h.ariaSort==='ascending'?-1:1;
Array.from(h.parentNode.cells).forEach(function(o){o.removeAttribute('aria-sort')});
h.ariaSort=d===1?'ascending':'descending';
var v=function(r){var s=r.cells[i].textContent.trim(),n=parseFloat(s.replace(/[, %]/g,'').replace('\\u2212','-'));
return isNaN(n)?s:n};
Array.from(b.rows).sort(function(p,q){var a=v(p),c=v(q);if(typeof a!==typeof c){a=String(a);c=String(c)}
return(a<c?-1:a>c?1:0)*d}).forEach(function(r){b.appendChild(r)})};
h.tabIndex=0;h.addEventListener('click',sort);
h.addEventListener('keydown',function(e){if(e.key==='Enter'||e.key===' '){e.preventDefault();sort()}})});
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy() -> str:
    """The page's content security policy: its own style sheet and script by their hashes, and nothing from anywhere."""
    return f"default-src 'none'; style-src {_hash(CSS)}; script-src {_hash(JS)}; base-uri 'none'; form-action 'none'"
