import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import type { ConnectionNode } from "../../src/FiberTree.ts"
import type { ProcessTree } from "../../src/cli/CliHost.ts"
import { cut, padEnd, padStart, width } from "../../src/cli/cells.ts"
import { difference } from "../../src/cli/FullScreen.ts"
import { advance } from "../../src/cli/topRates.ts"
import { initialState, onKey, onProblem, onSeen, type TopState } from "../../src/cli/topState.ts"
import { frame, nothingRuns, report } from "../../src/cli/topView.ts"
import {
  connectionNode,
  connections,
  endpointNode,
  pathNode,
  processTree,
  statistics,
  streamNode
} from "./topFixtures.ts"

/** The state after these snapshots. */
const seeing = (state: TopState, ...snapshots: ReadonlyArray<ReadonlyArray<ProcessTree>>): TopState =>
  snapshots.reduce((now, processes) => onSeen(now, advance(now.seen ?? [], processes)), state)

/** The state after these keys. */
const pressing = (state: TopState, ...names: ReadonlyArray<string>): TopState =>
  names.reduce((now, name) => {
    const input = name.length === 1 ? Option.some(name) : Option.none()
    const next = onKey(now, { input, key: { name, ctrl: false, meta: false, shift: false } })
    if (typeof next === "string") throw new Error(next)
    return next
  }, state)

const drawn = (state: TopState, columns = 80, rows = 24): ReadonlyArray<string> =>
  frame(state, { columns, rows }).map(({ text }) => text.trimEnd())

const start = initialState("rate", nothingRuns)

const busy = [
  [
    processTree({
      ageMillis: 1000,
      connections: [
        connectionNode({ streams: [streamNode()] }),
        connectionNode({ fiber: 9, remote: { family: 4, host: "10.0.0.3", port: 7 }, role: "client" })
      ]
    })
  ],
  [
    processTree({
      ageMillis: 2000,
      backlog: 1,
      statistics: statistics({
        bytesReceived: 1_252_000,
        bytesSent: 150_000,
        datagramsReceived: 950,
        datagramsSent: 100,
        packetsLost: 2,
        connectionsActive: 2,
        handshakes: { inFlight: 3, completed: 2, failed: 0 },
        dropped: { ...statistics().dropped, duplicate: 20_000, unauthentic: 7 },
        closes: { ...statistics().closes, idleTimeout: 4 }
      }),
      connections: [
        connectionNode({
          streams: [streamNode({ sending: { state: "open", bytes: 125_000, bufferedBytes: 2000 } })],
          paths: [
            pathNode({
              bytesSent: 150_000,
              bytesReceived: 2000,
              datagramsSent: 100,
              datagramsReceived: 50,
              packetsSent: 100,
              packetsLost: 2
            })
          ]
        }),
        connectionNode({
          fiber: 9,
          remote: { family: 4, host: "10.0.0.3", port: 7 },
          role: "client",
          paths: [pathNode({ bytesReceived: 1_250_000, datagramsReceived: 900, smoothedRttMillis: 0.4 })]
        })
      ]
    })
  ]
]

describe("B8: what effect-quic top draws", () => {
  it("totals and a table by rate, at 80 columns", () => {
    expect(drawn(seeing(start, ...busy)).filter((line) => line !== "")).toEqual([
      "effect-quic top · process 7 · 10.0.0.1:4433 · open 2 s · effect-quic perf server",
      "connections 2 · handshakes 2/s · 2 done · 3 in flight · 0 failed · to accept 1",
      "in       10.0 Mbit/s · 950 datagrams/s · 1.25 MB",
      "out      1.20 Mbit/s · 100 datagrams/s · 150 kB · 2 packets lost (2/s)",
      "dropped  duplicate 20.0 k (20.0 k/s) · unauthentic 7 (7/s)",
      "replied  nothing",
      "closed   idle timeout 4 (4/s)",
      "    PEER                            IN b/s OUT b/s     RTT   LOSS STREAMS    AGE",
      "  → 10.0.0.3:7                      10.0 M       0  400 µs      –       0    3 s",
      "  ← 10.0.0.2:50000                  16.0 k  1.20 M   25 ms  2.0 %       1    3 s",
      "q quit  s order: rate  ↑↓ select  Enter details  p pause  Tab endpoint  ? help"
    ])
  })

  it("paths and streams of the selected connection", () => {
    const lines = drawn(pressing(seeing(start, ...busy), "down", "down", "return"))
    const at = lines.findIndex((line) => line.startsWith("──"))
    expect(lines[at - 1]).toMatch(/^> ← 10\.0\.0\.2:50000 /)
    expect(lines.slice(at, at + 7)).toEqual([
      "── 10.0.0.2:50000 · established · echo · 3 s · 0123456789abcdef · 4 fibers",
      "path 0 · 10.0.0.1:4433 → 10.0.0.2:50000 · active",
      "  in 16.0 kbit/s · out 1.20 Mbit/s · rtt 25 ms · window 14.5 kB · loss 2.0 %",
      "  in flight 1.45 kB · datagrams of 1452 B · 2 of 100 packets lost",
      "  STREAM       SENT     b/s  BUFFER  RECEIVED     b/s  BUFFER  STATE",
      "  0          125 kB  1.00 M 2.00 kB       0 B       0       –  open",
      ""
    ])
  })

  it("how the paths of the selected connection stand together, and which is silent", () => {
    const shown = (over: Partial<ConnectionNode>): ReadonlyArray<string> => {
      const after = [processTree({ connections: [connectionNode(over)] })]
      return drawn(pressing(seeing(start, after), "down", "return")).filter((line) => /^(──|path)/.test(line))
    }
    expect(
      shown({
        bonding: "degraded",
        paths: [pathNode({ carriesData: false, isSilent: true }), pathNode({ id: 1 })]
      })
    ).toEqual([
      "── 10.0.0.2:50000 · established · degraded · echo · 3 s · 0123456789abcdef",
      "path 0 · 10.0.0.1:4433 → 10.0.0.2:50000 · active, silent",
      "path 1 · 10.0.0.1:4433 → 10.0.0.2:50000 · active"
    ])
    expect(shown({ paths: [pathNode({ carriesData: false })] })[1]).toContain("active, carries nothing")
  })

  it("exactly the lines of the terminal, none wider, whatever its size and whatever is shown", () => {
    const many = seeing(
      start,
      [processTree({ ageMillis: 1, connections: connections(50) })],
      [processTree({ ageMillis: 1001, connections: connections(50, (i) => i * 1e6) })]
    )
    const states = [
      start,
      many,
      pressing(many, "j", "return"),
      pressing(many, "?"),
      pressing(many, "p"),
      seeing(start, [])
    ]
    for (const state of states)
      for (const columns of [1, 20, 59, 60, 80, 81, 133, 200])
        for (const rows of [1, 2, 5, 20, 24, 50]) {
          const lines = frame(state, { columns, rows })
          expect(lines).toHaveLength(rows)
          expect(Math.max(...lines.map(({ text }) => width(text)))).toBeLessThanOrEqual(columns)
        }
  })

  it("keeps the selected connection in sight among more than fit, and says how many do not", () => {
    const many = seeing(
      start,
      [processTree({ ageMillis: 0, connections: connections(50) })],
      [processTree({ ageMillis: 1000, connections: connections(50, (i) => i * 1000) })]
    )
    expect(drawn(pressing(many, "end")).filter((line) => line.startsWith(">"))).toEqual([
      expect.stringContaining("10.0.0.2:50000 ")
    ])
    expect(drawn(pressing(many, "home")).find((line) => line.startsWith(">"))).toContain("10.0.0.2:50049 ")
    expect(drawn(many).join("\n")).toContain("PEER 1–14 of 50")
  })

  it("a connection that ends while it is selected stays, says so, and is gone when the selection leaves it", () => {
    const selected = pressing(seeing(start, ...busy), "down", "return")
    const left = [
      processTree({ ageMillis: 3000, connections: busy[1][0].endpoints[0].connections.slice(0, 1) })
    ]
    const after = seeing(selected, left)
    expect(drawn(after)[9]).toMatch(/^> → 10\.0\.0\.3:7 +ended$/)
    expect(drawn(after).find((line) => line.startsWith("──"))).toContain("ended; as it was last seen")
    expect(drawn(seeing(after, left))[9]).toMatch(/^> → 10\.0\.0\.3:7 +ended$/)
    const moved = pressing(after, "down")
    expect(drawn(moved).join("\n")).not.toContain("10.0.0.3:7")
    expect(drawn(moved)[9]).toMatch(/^> ← 10\.0\.0\.2:50000 /)
  })

  it("a process that ends leaves a sentence, and its selected connection", () => {
    const all = seeing(start, ...busy)
    expect(drawn(seeing(all, []))[1]).toContain("no process exposes its endpoints")
    const other = processTree({}, 8)
    const only = pressing(seeing(all, [...busy[1], other]), "tab")
    expect(drawn(only)[0]).toContain("process 7")
    expect(drawn(seeing(only, [other])).join(" ")).toContain(
      "this endpoint is closed, or its process has ended"
    )
  })

  it("stands still while paused, and shows the latest afterwards", () => {
    const paused = pressing(seeing(start, ...busy), "p")
    const later = seeing(paused, [processTree({ ageMillis: 9000 })])
    expect(drawn(later)[0]).toContain("PAUSED")
    expect(drawn(later).slice(1)).toEqual(drawn(paused).slice(1))
    expect(drawn(pressing(later, "space")).join("\n")).toContain("no connections")
  })

  it("orders by each column, and the other way round", () => {
    const state = seeing(start, ...busy)
    const first = (of: TopState) => drawn(of)[9].slice(4).split(" ")[0]
    expect(first(state)).toBe("10.0.0.3:7")
    expect(first(pressing(state, "r"))).toBe("10.0.0.2:50000")
    expect(first(pressing(state, "s"))).toBe("10.0.0.3:7")
    expect(first(pressing(state, "s", "s"))).toBe("10.0.0.2:50000")
    expect(first(pressing(state, "S"))).toBe("10.0.0.2:50000")
    expect(drawn(pressing(state, "s", "s"))[8]).toContain("OUT b/s")
    expect(drawn(pressing(state, "s", "s"))[23]).toContain("order: out")
  })

  it("totals of all endpoints together, or of each by itself", () => {
    const second = (age: number, bytesSent: number) =>
      processTree({ ageMillis: age, statistics: statistics({ bytesSent }) }, 8)
    const both = seeing(start, [...busy[0], second(1000, 0)], [...busy[1], second(3000, 250_000)])
    expect(drawn(both)[0]).toBe("effect-quic top · 2 endpoints of 2 processes")
    expect(drawn(both)[3]).toContain("out      2.20 Mbit/s")
    expect(drawn(pressing(both, "tab", "tab"))[3]).toContain("out      1.00 Mbit/s")
    expect(drawn(pressing(both, "tab", "tab", "tab"))[0]).toContain("2 endpoints")
  })

  it("fewer totals on a terminal of few lines", () => {
    const lines = drawn(seeing(start, ...busy), 60, 20)
    expect(lines.slice(4, 7)).toEqual([
      "dropped  duplicate 20.0 k (20.0 k/s) · unauthentic 7 (7/s)",
      "",
      "    PEER                       IN b/s OUT b/s     RTT   LOSS"
    ])
  })

  it("why processes cannot be looked at, until they can", () => {
    const problem = onProblem(start, "/tmp/effect-quic-me is accessible to other users")
    expect(drawn(problem)[1]).toBe("/tmp/effect-quic-me is accessible to other users")
    expect(drawn(seeing(problem, ...busy)).join("\n")).not.toContain("accessible")
  })

  it("text of others as text: no escape sequence, no line break, and wide characters as wide as they are", () => {
    const peer = {
      name: "\u001b[31m王小明\n\u202eevil",
      state: "Connected",
      detail: "",
      fiber: 5,
      sinceMillis: 0,
      waiting: 0,
      connections: [connectionNode({ alpn: "a\u001b]0;x\u0007" })]
    }
    const tree: ProcessTree = {
      pid: 1,
      command: "/bin/\u001b[2Jx",
      endpoints: [endpointNode({ peers: [peer] })]
    }
    const state = pressing(seeing(start, [tree]), "down", "return")
    const lines = frame(state, { columns: 200, rows: 30 })
    for (const { text } of lines) expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    const heading = lines.find(({ text }) => text.includes("PEER"))
    const row = lines.find(({ text }) => text.startsWith("> ←"))
    expect(width(row!.text.trimEnd())).toBe(width(heading!.text))
    expect(report(state, 160).join("")).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })
})

describe("cells of a terminal", () => {
  it("cuts and pads by cells, not by characters", () => {
    expect(["abc", "王小", "e\u0301", "🚀"].map(width)).toEqual([3, 4, 1, 2])
    expect(cut("王小明", 5)).toBe("王小…")
    expect(cut("王小明", 4)).toBe("王…")
    expect(width(padEnd("王小明", 4))).toBe(4)
    expect(padStart("ab", 4)).toBe("  ab")
    expect(cut("abc", 0)).toBe("")
  })
})

describe("a frame of a full screen", () => {
  const lines = (...texts: ReadonlyArray<string>) => texts.map((text) => ({ text, style: "plain" as const }))

  it("rewrites the lines that changed, over all of what was there, in one piece", () => {
    expect(difference(undefined, lines("a", "b"))).toBe(
      "\u001b[?2026h\u001b[2J\u001b[1;1Ha\u001b[0m\u001b[2;1Hb\u001b[0m\u001b[?2026l"
    )
    expect(difference(lines("a", "long"), lines("a", "b"))).toBe(
      "\u001b[?2026h\u001b[2;1Hb\u001b[0m   \u001b[?2026l"
    )
    expect(difference(lines("a"), lines("a"))).toBe("")
    expect(difference(lines("a", "b"), lines("a"))).toContain("\u001b[2;1H\u001b[0m \u001b")
  })

  it("leaves the last cell of a full line alone", () => {
    expect(difference(undefined, lines("x".repeat(80)))).not.toContain("\u001b[K")
  })
})
