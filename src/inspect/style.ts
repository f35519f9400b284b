/** The style sheet of the page. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --line: #d5d9e0; --text: #1b2230; --quiet: #5b6475;
  --lost: #c81e1e; --event: #6a4bc0;
  --p0: #0b66b3; --p1: #c2520a; --p2: #0c8461; --p3: #a8457f; --p4: #7a6200; --p5: #1f8fb8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11151c; --raised: #1a2029; --line: #343c49; --text: #e4e8ef; --quiet: #98a3b5;
    --lost: #ff6b6b; --event: #b39cf5;
    --p0: #5bb0f0; --p1: #f0924e; --p2: #3cc79c; --p3: #e79cc6; --p4: #e0c552; --p5: #7ed4f2;
  }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1600px; padding: 16px 20px 32px; background: var(--ground); color: var(--text);
  font: 14px/1.45 system-ui, sans-serif }
h1 { font-size: 20px; margin: 0 0 2px; overflow-wrap: anywhere }
h2 { font-size: 15px; margin: 0 }
p { margin: 0 0 12px; color: var(--quiet) }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 1px; margin: 12px 0 16px;
  background: var(--raised); border: 1px solid var(--line); border-radius: 6px; overflow: hidden }
dl div { box-shadow: 0 0 0 1px var(--line); padding: 6px 10px; min-width: 0 }
dl .wide { grid-column: span 2 }
dt { color: var(--quiet); font-size: 12px }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.bad { color: var(--lost) }
.scroll { overflow-x: auto; margin-bottom: 16px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 3px 10px; border-bottom: 1px solid var(--line); white-space: nowrap }
th { color: var(--quiet); font-weight: 500; font-size: 12px }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin: 8px 0 }
.bar output { color: var(--quiet); font-variant-numeric: tabular-nums }
button, input { font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--line);
  border-radius: 5px; padding: 3px 9px }
label { display: flex; align-items: center; gap: 5px }
input[type="search"] { width: 240px }
button:disabled { opacity: .45 }
.chart { margin-bottom: 14px }
.chart header { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; margin-bottom: 2px }
.legend { display: flex; flex-wrap: wrap; gap: 0 12px; color: var(--quiet); font-size: 12px;
  font-variant-numeric: tabular-nums }
.legend span { white-space: nowrap }
.legend svg { width: 22px; height: 8px; margin-right: 4px }
.plot { display: block; width: 100%; height: 190px; background: var(--raised); border: 1px solid var(--line);
  border-radius: 6px; cursor: crosshair; touch-action: pan-y; user-select: none }
.plot.low { height: 110px }
.plot text { fill: var(--quiet); font-size: 11px; font-variant-numeric: tabular-nums }
.grid { stroke: var(--line); stroke-width: 1 }
.cursor { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 2 3 }
.pick { fill: var(--p0); fill-opacity: .15; stroke: var(--p0) }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round }
.thin { stroke-width: 1; stroke-opacity: .65 }
.dash { stroke-width: 1.2; stroke-dasharray: 5 4 }
.c0 { stroke: var(--p0) } .c1 { stroke: var(--p1) } .c2 { stroke: var(--p2) }
.c3 { stroke: var(--p3) } .c4 { stroke: var(--p4) } .c5 { stroke: var(--p5) }
.c0.fill { fill: var(--p0) } .c1.fill { fill: var(--p1) } .c2.fill { fill: var(--p2) }
.c3.fill { fill: var(--p3) } .c4.fill { fill: var(--p4) } .c5.fill { fill: var(--p5) }
.area { stroke-width: 1; fill-opacity: .18 }
.rows { position: relative; height: 560px; overflow: auto; border: 1px solid var(--line); border-radius: 6px;
  background: var(--raised); font-size: 12.5px }
.rows:focus-visible { outline: 2px solid var(--p0) }
.heads, .row { display: grid; grid-template-columns: 92px 14px minmax(0, 1fr) 14px 70px; align-items: center;
  column-gap: 6px; padding: 0 8px; height: 24px }
.heads { color: var(--quiet); font-size: 12px }
.heads b { color: var(--text) }
.heads .far { text-align: right }
.row { position: absolute; left: 0; right: 0; font-variant-numeric: tabular-nums }
.row .time, .row .size { align-self: start; line-height: 19px; text-align: right; color: var(--quiet) }
.row .lane { align-self: stretch; border-left: 2px solid var(--line); margin-left: 6px }
.row .what { position: relative; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding: 0 14px;
  height: 24px; line-height: 19px }
.row .what::before { content: ""; position: absolute; left: 0; right: 0; bottom: 3px; border-bottom: 1px solid var(--tone) }
.row .what::after { content: ""; position: absolute; bottom: 0; border: 3.5px solid transparent }
.row b { font-weight: 600; color: var(--tone); margin-right: 8px }
.sent { --tone: var(--p0) } .received { --tone: var(--p2) } .dropped, .sent.lost { --tone: var(--lost) }
.event { --tone: var(--event) }
.sent .what::after { right: 0; border-left: 8px solid var(--tone); border-right-width: 0 }
.received .what::after { left: 0; border-right: 8px solid var(--tone); border-left-width: 0 }
.event .what { text-align: center }
.event .what::before { border-bottom-color: transparent }
.dropped .what::before, .sent.lost .what::before { border-bottom-style: dashed }
.sent.lost .what::after { content: "✕"; border: 0; right: 1px; bottom: -1px; color: var(--lost); line-height: 1; font-size: 11px }
.row.gap { color: var(--quiet); text-align: center; display: block; line-height: 24px }
.empty { padding: 20px; text-align: center; color: var(--quiet) }
`
