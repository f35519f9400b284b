/** The page: text of a peer stays text, and it works in a browser. */
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { chartScript } from "../../src/inspect/chartScript.ts"
import { Inspection } from "../../src/inspect/Inspection.ts"
import { page } from "../../src/inspect/page.ts"
import { rowScript } from "../../src/inspect/rowScript.ts"
import { Browser, chromium } from "./Browser.ts"
import { header, lost, sent, sequence } from "./logs.ts"

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64")

const pageOf = (records: ReadonlyArray<unknown>, name = "test.sqlog"): string => {
  const inspection = new Inspection()
  inspection.push(sequence([header, ...records]))
  return page(inspection.end(), name, sha256)
}

const metrics = (time: number, congestion_window: number, path_id?: number) => ({
  time,
  name: "quic:recovery_metrics_updated",
  data: {
    congestion_window,
    bytes_in_flight: congestion_window / 2,
    smoothed_rtt: 10 + time / 100,
    latest_rtt: 12,
    min_rtt: 9,
    ...(path_id !== undefined && { path_id })
  }
})

const attack = `</script><!--<script>document.title="taken"</script><img src=x onerror='document.title="taken"'>"'&`

const hostile = [
  { time: 1, name: "quic:alpn_information", data: { chosen_alpn: { string_value: attack } } },
  { time: 1, name: "quic:connection_closed", data: { reason: attack, [attack]: attack } },
  { time: 1, name: `quic:${attack}`, data: { [attack]: attack } },
  { time: 1, name: "quic:connection_state_updated", data: { new: `\u001b[2J\u202e${attack}` } },
  {
    time: 1,
    name: "quic:packet_received",
    data: {
      header: { packet_type: attack, packet_number: 1 },
      frames: [{ frame_type: "connection_close", reason: attack }, { frame_type: attack }],
      raw: { length: 99 }
    }
  }
]

const elements = (html: string): ReadonlyArray<string> =>
  [...html.matchAll(/<(script|style|img|iframe|link|object|base|form)\b/gi)].map(([, name]) => name)

describe("text of a peer", () => {
  it("does not become markup", () => {
    const html = pageOf(hostile, attack)
    expect(elements(html)).toEqual(elements(pageOf([])))
    expect(elements(html)).toEqual(["style", "script", "script"])
    for (const control of ["\u001b", "\u202e"]) expect(html).not.toContain(control)
    // it is shown all the same
    expect(html).toContain("&lt;/script&gt;&lt;!--&lt;script&gt;document.title=&quot;taken&quot;")
  })

  it("could not run if it did: only this page's own script and style are allowed, and no network", () => {
    const html = pageOf(hostile)
    const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(html)!
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)![1]
    expect(policy.split("; ")).toEqual([
      "default-src 'none'",
      `script-src 'sha256-${sha256(chartScript + rowScript)}'`,
      `style-src 'sha256-${sha256(style)}'`,
      "base-uri 'none'",
      "form-action 'none'"
    ])
    expect(html).toContain(`<script>${chartScript + rowScript}</script>`)
    expect(html).not.toMatch(/\s(?:style|on\w+|src|href)="/)
  })
})

it("says what is wrong with the log", () => {
  const inspection = new Inspection()
  inspection.push(`${sequence([header])}\u001enonsense\n\u001e{"time":`)
  const html = page(inspection.end(), "x", sha256)
  expect(html).toContain("1 record could not be read")
  expect(html).toContain("ends in the middle of a record")
})

describe.skipIf(chromium === undefined)("in Chromium", () => {
  const path = (number: number) => (number % 2 === 0 ? undefined : 1)
  const late = (i: number) => i - (i % 100 === 99 ? 10 : 9)
  const records = [
    ...Array.from({ length: 1000 }, (_, i) => [
      sent(i, i, path(i)),
      metrics(i, 12_000 + 50 * (i % 200), path(i)),
      ...(i % 50 === 49 ? [lost(late(i), i, path(late(i)))] : [])
    ]).flat(),
    ...hostile.map((event) => ({ ...event, time: 1000 }))
  ]
  const text = (id: string) => `document.getElementById("${id}").textContent`

  it("draws, zooms by dragging, resets by a double click, filters, and runs nothing of a peer", async () => {
    const browser = await Browser.open(pageOf(records))
    try {
      expect(await browser.evaluate(text("range"))).toBe("0 ms to 1000 ms")
      expect(await browser.evaluate(text("count"))).toBe("1005 of 1005")
      const curves =
        "[...document.querySelectorAll('.plot')].map((plot) => plot.querySelectorAll('g path').length)"
      expect(await browser.evaluate(curves)).toEqual([4, 6, 2])
      const box = (await browser.evaluate(
        "(({ x, y, width, height }) => ({ x, y, width, height }))(document.querySelector('.plot').getBoundingClientRect())"
      )) as { x: number; y: number; width: number; height: number }
      const y = box.y + box.height / 2
      const at = (share: number) => box.x + 62 + share * (box.width - 70)
      await browser.mouse("mousePressed", at(0.5), y)
      await browser.mouse("mouseMoved", at(0.6), y)
      await browser.mouse("mouseReleased", at(0.6), y)
      const zoomed = (await browser.evaluate(text("range"))) as string
      expect(zoomed).toMatch(
        /^(?:499|500|501)\.\d\d ms to (?:599|600|601)\.\d\d ms$|^(?:499|500|501) ms to (?:599|600|601) ms$/
      )
      const shown = Number.parseInt((await browser.evaluate(text("count"))) as string, 10)
      expect(shown).toBeGreaterThanOrEqual(98)
      expect(shown).toBeLessThanOrEqual(102)
      for (const clickCount of [1, 2]) {
        await browser.mouse("mousePressed", at(0.3), y, clickCount)
        await browser.mouse("mouseReleased", at(0.3), y, clickCount)
      }
      expect(await browser.evaluate(text("range"))).toBe("0 ms to 1000 ms")
      await browser.evaluate("document.getElementById('lost').click()")
      expect(await browser.evaluate(text("count"))).toBe("20 of 1005")
      expect(await browser.evaluate("document.querySelectorAll('.row.lost').length")).toBe(20)
      await browser.evaluate("document.getElementById('lost').click()")
      await browser.evaluate("filter.value = 'connection_close'; filter.dispatchEvent(new Event('input'))")
      expect(await browser.evaluate("document.querySelector('.row .what').textContent")).toContain(
        "<img src=x"
      )
      expect(await browser.evaluate("document.title")).toBe("test.sqlog")
      expect(await browser.evaluate("document.images.length + document.scripts.length")).toBe(2)
      expect(browser.complaints).toEqual([])
    } finally {
      await browser.close()
    }
  })

  it("fits 800 and 1600 pixels", async () => {
    for (const width of [800, 1600]) {
      const browser = await Browser.open(pageOf(records), width, 900)
      try {
        expect(await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true)
      } finally {
        await browser.close()
      }
    }
  })
})
