/** The part of the page's script that lists the packets in `view`; only the rows on screen are in the document. */
export const rowScript = `
const HEIGHT = 24
const list = document.getElementById("rows")
const canvas = html("div", "", list)
canvas.style.position = "relative"
const filter = document.getElementById("filter")
const onlyLost = document.getElementById("lost")
const shownCount = document.getElementById("count")
const kinds = ["sent", "received", "dropped", "event"]
let shown = []
const choose = () => {
  const word = filter.value.trim().toLowerCase()
  shown = []
  data.rows.forEach((row, index) => {
    // where rows are missing
    if (index === data.gapAt && data.omitted > 0 && !word && !onlyLost.checked) shown.push(undefined)
    const [time, kind, path, title, , text, lostAt] = row
    if (time < view[0] || time > view[1]) return
    if (onlyLost.checked && lostAt === null) return
    if (word && !(kinds[kind] + " path " + path + " " + title + " " + text).toLowerCase().includes(word)) return
    shown.push(row)
  })
  shownCount.textContent = shown.length + " of " + data.rows.length
  canvas.style.height = shown.length * HEIGHT + "px"
  list.scrollTop = 0
  paint()
}
const drawRow = (row) => {
  if (row === undefined)
    return html("div", "row gap", null, "… " + data.omitted + " rows are left out: the first and the last ones are kept …")
  const [time, kind, path, title, size, text, lostAt] = row
  const element = html("div", "row " + kinds[kind] + (lostAt === null ? "" : " lost"))
  html("span", "time", element, time.toFixed(3))
  html("span", "lane", element)
  const what = html("span", "what", element)
  html("b", "", what, (several && kind < 3 ? "path " + path + " · " : "") + title)
  if (lostAt !== null) html("b", "", what, "lost, found after " + millis(lostAt - time))
  what.append(text)
  what.title = title + ": " + text
  html("span", "lane", element)
  html("span", "size", element, size > 0 ? size + " B" : "")
  return element
}
const paint = () => {
  const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 5)
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / HEIGHT) + 10)
  canvas.replaceChildren()
  if (shown.length === 0) html("div", "empty", canvas, "No packet matches.")
  for (let i = first; i < last; i++) {
    const element = drawRow(shown[i])
    element.style.top = i * HEIGHT + "px"
    canvas.append(element)
  }
}
list.addEventListener("scroll", paint)
filter.addEventListener("input", choose)
onlyLost.addEventListener("change", choose)
watchers.push(choose)
setView(...whole)
document.documentElement.dataset.ready = "true"
`
