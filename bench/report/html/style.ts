import { darkRules } from '../charts/theme.js';

/** The look of every page; light or dark as the reader's system is, light on paper. */
export const STYLE = `
:root{color-scheme:light dark;--page:#fff;--card:#f6f8fa;--line:#d1d9e0;--text:#1f2328;--muted:#59636e;--link:#0a5cc0;--ahead:#0a6b3d;--behind:#a8321c;--warning:#9a4a00}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .3em}
h2{font-size:1.35rem;line-height:1.25;margin:2.4em 0 .5em;padding-top:.6em;border-top:1px solid var(--line)}
h3{font-size:1.08rem;margin:2em 0 .3em}
p{margin:.4em 0 .8em;max-width:46em}
p,li,td,th,figcaption,summary,dd{overflow-wrap:anywhere}
a{color:var(--link)}
.muted{color:var(--muted)}
.lead{font-size:1.05rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 18px;margin:16px 0}
.card h2{border:0;margin:0 0 .3em;padding:0;font-size:1.15rem}
.card h3{margin:1em 0 .2em;font-size:1rem}
ul{margin:.3em 0;padding-left:1.25em}
li{margin:.25em 0;max-width:60em}
.caveats li{list-style:none;position:relative}
.caveats{padding-left:1.6em}
.caveats li::before{content:'·';position:absolute;left:-1.1em;color:var(--muted);font-weight:700}
.caveats .failed::before,.caveats .interrupted::before,.caveats .unrest::before{content:'!';color:var(--warning)}
.caveats .absent::before{content:'–'}
nav ul{display:flex;flex-wrap:wrap;gap:4px 16px;list-style:none;padding:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:18px 36px;margin:12px 0;align-items:start}
figure{margin:0;min-width:0;max-width:600px}
figcaption{font-weight:600;font-size:.9rem;margin-bottom:6px}
svg.chart{display:block;width:100%;height:auto}
.table{margin:14px 0}
.table header{display:flex;justify-content:space-between;align-items:baseline;gap:12px;font-size:.9rem;font-weight:600;margin-bottom:4px}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}
table{border-collapse:separate;border-spacing:0;font-size:13.5px;line-height:20px;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:6px 10px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:normal}
th{background:var(--card);font-weight:600;white-space:nowrap}
tr:last-child td{border-bottom:0}
td:first-child,th:first-child{position:sticky;left:0;min-width:8.5em;background:var(--page);background-clip:padding-box}
th:first-child{background:var(--card)}
td.number,th.number{text-align:right;white-space:nowrap}
td.wide{min-width:16em;white-space:pre-wrap;overflow-wrap:anywhere}
td.muted{color:var(--muted)}td.warning{color:var(--warning)}td.ahead{color:var(--ahead)}td.behind{color:var(--behind)}
button.copy{font:inherit;font-weight:400;font-size:.8rem;color:var(--link);background:none;border:1px solid var(--line);border-radius:6px;padding:1px 10px;cursor:pointer}
details{margin:10px 0}
summary{cursor:pointer;font-size:.9rem;color:var(--link)}
pre,code{font-family:ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace;font-size:.85em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;overflow-x:auto}
@media (max-width:600px){main{padding:16px 12px 48px}h1{font-size:1.4rem}.card{padding:12px}}
@media screen and (prefers-color-scheme:dark){
:root{--page:#0d1117;--card:#151b23;--line:#30363d;--text:#e6edf3;--muted:#9da7b1;--link:#6cb0ff;--ahead:#56d08b;--behind:#ff8f73;--warning:#f0a35e}
${darkRules('svg.chart')}
}
@media print{details{display:block}button.copy,nav{display:none}figure,.table{break-inside:avoid}}
`;
