/** `demo --paths`: its links, its picture, and the whole of it. */
import { expect, it } from "vitest"
import { width } from "../../src/cli/cells.ts"
import { columnsOf, drawPaths, PathTrack } from "../../src/cli/pathsPicture.ts"
import { Lane, ShapedLink } from "../../src/cli/ShapedLink.ts"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import { runCli } from "./runCli.ts"

const from = { host: "127.0.0.1", port: 4433, family: 4 } as const
const datagram = (bytes: number) => ({ bytes: new Uint8Array(bytes), from, to: undefined, ecn: 0 }) as const

it("links deliver at their rate, after their delay, and drop what their queue has no room for", () => {
  // a datagram of 1222 bytes and its headers takes 1 ms
  const lane = new Lane({ bitsPerSecond: 10e6, roundTripMillis: 20 })
  for (let i = 0; i < 100; i++) lane.add(datagram(1222), 1000)
  // what waits for longer than a round trip is dropped
  expect(lane.queue.map(({ dueMillis }) => Math.round(dueMillis))).toEqual(
    Array.from({ length: 21 }, (_, i) => 1000 + 10 + i + 1)
  )
  expect([1010, 1011, 1015.5, 2000].map((now) => lane.due(now))).toEqual([0, 1, 5, 21])
  // it is free again
  lane.queue.length = 0
  lane.add(datagram(1222), 5000)
  expect(lane.due(5010.9)).toBe(0)
  expect(lane.due(5011)).toBe(1)
})

it("a link keeps what it was lent, in both directions, and carries nothing while it is down", () => {
  let now = 0
  let arrive = () => {}
  const arriving: Array<Uint8Array> = []
  const sent: Array<number> = []
  const socket = {
    onReadable: (wake: () => void) => void (arrive = wake),
    drain: (_: number, handle: (datagram: unknown) => void) => {
      const count = arriving.length
      for (const bytes of arriving.splice(0)) handle({ ...datagram(0), bytes })
      return count
    },
    send: (bytes: Uint8Array) => void sent.push(bytes[0]),
    flush: () => {}
  } as unknown as UdpSocket
  const link = new ShapedLink({ bitsPerSecond: 1e6, roundTripMillis: 10 })
  const { shaped, tick, finish } = link.shape(socket, () => now)
  const received: Array<number> = []
  shaped.onReadable(() => shaped.drain(10, ({ bytes }) => received.push(bytes[0])))
  const lent = new Uint8Array(1)
  const both = (value: number): void => {
    lent[0] = value
    arriving.push(lent)
    arrive()
    shaped.buffer[shaped.reserve(100)] = value
    shaped.commit(1, from, 0)
  }
  both(1)
  both(2)
  lent[0] = 99
  link.isDown = true
  both(3)
  link.isDown = false
  both(4)
  tick()
  expect([sent, received]).toEqual([[], []])
  now = 100
  tick()
  expect([sent, received]).toEqual([
    [1, 2, 4],
    [1, 2, 4]
  ])
  both(5)
  finish()
  expect([sent, received]).toEqual([
    [1, 2, 4, 5],
    [1, 2, 4]
  ])
})

it("draws the rate of each path over time, as wide as there is room, and never wider", () => {
  const paths = [
    new PathTrack("path 0  50.0 Mbit/s, 20 ms", 50e6),
    new PathTrack("path 1  20.0 Mbit/s, 60 ms", 20e6)
  ]
  for (let i = 1; i <= 60; i++) {
    paths[0].add({ bytes: Math.min(i, 20) * 1.25e6, state: i > 20 ? "lost" : "active" }, 200)
    paths[1].add({ bytes: (i * 0.5e6 * i) / 60, state: "active" }, 200)
  }
  const [first, second] = drawPaths(paths, 80)
  expect(first).toBe("path 0  50.0 Mbit/s, 20 ms                          0 bit/s   25.0 MB  lost    ")
  expect(second).toBe("path 1  20.0 Mbit/s, 60 ms  ██████████████████  39.7 Mbit/s   30.0 MB  active  ")
  expect(drawPaths(paths, 200)[0]).toContain("█".repeat(20) + " ".repeat(40))
  for (let columns = 1; columns <= 250; columns++)
    for (const line of drawPaths(paths, columns)) expect(width(line)).toBeLessThan(Math.max(columns, 1))
  expect(columnsOf([0, 1, 5e6, 9.9e6, 99e6], 10e6, 9)).toBe(" ▁▅██")
})

it("demo --paths loses the first of two links in mid-transfer, and the file arrives all the same", async () => {
  const { code, stderr, stdout } = await runCli(["demo", "--paths", "--size", "3MB"])
  expect(stderr).toBe("")
  expect(code).toBe(0)
  expect(stdout).toContain("The digests match.")
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80)
  expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
    /Links path 0 50\.0 Mbit\/s, 20 ms: .*B path 1 20\.0 Mbit\/s, 60 ms: (\d\.\d\d MB|\d+ kB) path 0 was lost from 1\.20 MB to 2\.40 MB; longest pause .*s/
  )
})
