/**
 * The part of the page's script that draws charts of `data` and keeps the shown range of time, `view`. Text is only ever
 * set as `textContent`.
 */
export const chartScript = `
"use strict"
const data = JSON.parse(document.getElementById("data").textContent)
const whole = [0, Math.max(data.end, 1)]
let view = whole
const watchers = []
const setView = (from, to) => {
  view = [Math.max(whole[0], from), Math.min(whole[1], to)]
  for (const watcher of watchers) watcher()
}
const SVG = "http://www.w3.org/2000/svg"
const svg = (name, attributes, parent, text) => {
  const element = document.createElementNS(SVG, name)
  for (const key of Object.keys(attributes)) element.setAttribute(key, attributes[key])
  if (text !== undefined) element.textContent = text
  if (parent) parent.append(element)
  return element
}
const html = (name, className, parent, text) => {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  if (parent) parent.append(element)
  return element
}
const digits = (value) => (value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2))
const bytes = (value) =>
  value >= 1e9 ? digits(value / 1e9) + " GB" : value >= 1e6 ? digits(value / 1e6) + " MB"
    : value >= 1e3 ? digits(value / 1e3) + " kB" : value + " B"
const millis = (value) => (value >= 1000 ? digits(value / 1000) + " s" : value === 0 ? "0 ms" : digits(value) + " ms")
/** With as many digits as tell neighbours in the shown range apart. */
const clock = (value) => {
  const range = view[1] - view[0]
  return range > 20000 ? (value / 1000).toFixed(1) + " s" : range > 2000 ? (value / 1000).toFixed(2) + " s"
    : value.toFixed(range > 200 ? 0 : range > 2 ? 2 : 3) + " ms"
}
/** 1, 2 or 5 times a power of ten, so that about "count" steps fill the range. */
const step = (range, count) => {
  const power = 10 ** Math.floor(Math.log10(range / count))
  const times = range / count / power
  return power * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1)
}
/** The index of the last point at or before a time; -1 if there is none. */
const before = (points, time) => {
  let low = 0
  let high = points.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[2 * middle] <= time) low = middle + 1
    else high = middle
  }
  return low - 1
}
const LEFT = 62
const BOTTOM = 20
const TOP = 8
const charts = []
/** A chart of curves, each { label, look, points, bars? }: bars are as wide as the interval they stand for, and count. */
const chart = (title, counts, format, curves) => {
  const section = html("section", "chart", document.getElementById("charts"))
  const header = html("header", "", section)
  html("h2", "", header, title)
  const legend = html("div", "legend", header)
  const values = curves.map((curve) => {
    const entry = html("span", "", legend)
    const sample = svg("svg", { viewBox: "0 0 22 8" }, entry)
    svg("path", { class: curve.look, d: curve.look.includes("fill") ? "M0 8V1H22V8" : "M0 4H22" }, sample)
    html("span", "", entry, curve.label + " ")
    return html("span", "", entry)
  })
  if (curves.length === 0) html("span", "", legend, "none")
  const plot = svg("svg", { class: "plot" + (counts ? " low" : ""), role: "img", "aria-label": title + " over time" }, section)
  const own = { plot, curves, format, values, counts, x: (time) => time }
  charts.push(own)
  watchers.push(() => draw(own))
  zoomable(own)
}
const draw = (own) => {
  const { plot, curves, format } = own
  const width = Math.max(plot.clientWidth, LEFT + 60)
  const height = plot.clientHeight
  plot.setAttribute("viewBox", "0 0 " + width + " " + height)
  plot.replaceChildren()
  const [from, to] = view
  let top = 0
  const spans = curves.map(({ points }) => {
    const first = Math.max(before(points, from), 0)
    const last = before(points, to)
    for (let i = first; i <= last; i++) top = Math.max(top, points[2 * i + 1])
    return [first, last]
  })
  top = top > 0 ? top * 1.08 : 1
  const floor = height - BOTTOM
  const x = (own.x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - 8))
  const y = (value) => floor - (value / top) * (floor - TOP)
  const rise = Math.max(step(top, floor > 120 ? 4 : 2), own.counts ? 1 : 0)
  for (let value = 0; value <= top; value += rise) {
    svg("line", { class: "grid", x1: LEFT, x2: width - 8, y1: y(value), y2: y(value) }, plot)
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, plot, format(value))
  }
  const stride = step(to - from, Math.max(2, width / 130))
  for (let time = Math.ceil(from / stride) * stride; time <= to; time += stride)
    svg("text", { x: Math.min(x(time), width - 26), y: height - 5, "text-anchor": "middle" }, plot, clock(time))
  svg("clipPath", { id: "clip" + charts.indexOf(own) }, plot)
    .append(svg("rect", { x: LEFT, y: 0, width: width - LEFT - 8, height: floor + 1 }))
  const inner = svg("g", { "clip-path": "url(#clip" + charts.indexOf(own) + ")" }, plot)
  curves.forEach((curve, i) => {
    const [first, last] = spans[i]
    if (last < first) return
    svg("path", { class: curve.look, d: outline(curve, first, last, x, y, to) }, inner)
  })
}
/** A measurement holds until the next one; a bar stands for its interval, and is never too thin to be seen. */
const outline = ({ points, bars, look }, first, last, x, y, to) => {
  let d = ""
  for (let i = first; i <= last; i++) {
    const at = x(points[2 * i])
    const level = y(points[2 * i + 1]).toFixed(1)
    if (bars) {
      const half = Math.max((x(bars) - x(0)) / 2, 1)
      d += "M" + (at - half).toFixed(1) + " " + y(0) + "V" + level + "H" + (at + half).toFixed(1) + "V" + y(0) + "Z"
    } else d += i === first ? "M" + at.toFixed(1) + " " + level : "H" + at.toFixed(1) + "V" + level
  }
  if (bars) return d
  const end = x(to).toFixed(1)
  return look.includes("area") ? d + "H" + end + "V" + y(0) + "H" + x(points[2 * first]).toFixed(1) + "Z" : d + "H" + end
}
const timeAt = (own, event) => {
  const box = own.plot.getBoundingClientRect()
  const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - 8)
  return view[0] + Math.min(Math.max(share, 0), 1) * (view[1] - view[0])
}
const readOut = (time) => {
  for (const own of charts) {
    for (const line of own.plot.querySelectorAll(".cursor")) line.remove()
    own.curves.forEach((curve, i) => {
      const at = time === undefined ? -1 : before(curve.points, time)
      const near = at >= 0 && (!curve.bars || time - curve.points[2 * at] <= curve.bars)
      own.values[i].textContent = near ? own.format(curve.points[2 * at + 1]) : ""
    })
    if (time === undefined) continue
    const x = own.x(time)
    svg("line", { class: "cursor", x1: x, x2: x, y1: TOP, y2: own.plot.clientHeight - BOTTOM }, own.plot)
  }
  document.getElementById("at").textContent = time === undefined ? "" : "at " + clock(time)
}
/** Drag to zoom, double click to reset. */
const zoomable = (own) => {
  const { plot } = own
  let from
  let pick
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    plot.setPointerCapture(event.pointerId)
    from = timeAt(own, event)
    pick = svg("rect", { class: "pick", y: TOP, height: plot.clientHeight - BOTTOM - TOP, width: 0, x: 0 }, plot)
  })
  plot.addEventListener("pointermove", (event) => {
    const time = timeAt(own, event)
    readOut(time)
    if (from === undefined) return
    pick.setAttribute("x", own.x(Math.min(from, time)))
    pick.setAttribute("width", Math.abs(own.x(time) - own.x(from)))
  })
  const drop = (event) => {
    if (from === undefined) return
    const [first, last] = [from, timeAt(own, event)].sort((a, b) => a - b)
    pick.remove()
    from = undefined
    if (event.type === "pointerup" && own.x(last) - own.x(first) > 4) setView(first, last)
  }
  plot.addEventListener("pointerup", drop)
  plot.addEventListener("pointercancel", drop)
  plot.addEventListener("pointerleave", () => from === undefined && readOut(undefined))
  plot.addEventListener("dblclick", () => setView(...whole))
}
const several = data.paths.length > 1
const curvesOf = (series) => data.paths.flatMap((path, i) =>
  series.filter(([name]) => path[name].length > 0).map(([name, label, look]) => ({
    label: several ? "path " + path.id + " " + label : label,
    look: "c" + (i % 6) + " " + look,
    points: path[name],
    bars: name === "losses" ? path.lossMillis : undefined
  })))
chart("Congestion window and bytes in flight", false, bytes,
  curvesOf([["inFlight", "in flight", "fill area"], ["window", "window", "curve"]]))
chart("Round-trip time", false, millis,
  curvesOf([["latestRtt", "latest", "curve thin"], ["smoothedRtt", "smoothed", "curve"], ["minRtt", "smallest", "curve dash"]]))
chart("Packets lost", true, (value) => String(value), curvesOf([["losses", "lost", "fill"]]))
const range = document.getElementById("range")
const reset = document.getElementById("reset")
reset.addEventListener("click", () => setView(...whole))
watchers.push(() => {
  range.textContent = clock(view[0]) + " to " + clock(view[1])
  reset.disabled = view[0] === whole[0] && view[1] === whole[1]
})
addEventListener("resize", () => charts.forEach(draw))
`
