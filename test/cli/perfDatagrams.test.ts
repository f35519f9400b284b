/** The datagram test of `perf`: what is counted when datagrams are lost, and what a server refuses. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import {
  type DatagramTest,
  datagramLimits,
  DatagramTally,
  datagramOf,
  decodeReport,
  decodeTest,
  encodeCount,
  encodeTest,
  REPORT_BYTES,
  stamp
} from "../../src/cli/perfDatagramFormat.ts"
import {
  callDatagramTest,
  type DatagramCounts,
  serveDatagramTests
} from "../../src/cli/perfDatagramProtocol.ts"
import { checkDatagramFlags, type DatagramFlags } from "../../src/cli/perfDatagrams.ts"
import { parseBitRate } from "../../src/cli/units.ts"
import { simPair } from "../channels/world.ts"
import { readAll, reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { runCli, startCli } from "./runCli.ts"

const transport = { maxDatagramFrameBytes: 65_535 }

/** A server of datagram tests, and the client's connection to it. */
const served = Effect.fnUntraced(function* () {
  const all = yield* simPair({ client: { transport }, server: { transport } })
  yield* Effect.forkScoped(serveDatagramTests(all.far))
  return all
})

const test = (changes: Partial<DatagramTest> = {}): DatagramTest => ({
  direction: "upload",
  number: 7,
  bytes: 500,
  millis: 2500,
  bitsPerSecond: 400_000,
  ...changes
})

describe("over a simulated link", () => {
  for (const direction of ["upload", "download"] as const) {
    itSim(`sees every datagram where none is lost, ${direction}`, () =>
      Effect.gen(function* () {
        const { cable, near } = yield* served()
        cable.set({ delayMillis: 20 })
        const counts = (yield* callDatagramTest(near, test({ direction })))!
        // 400 kbit/s of 4000 bits each, for 2.5 s
        expect(counts.sent).toBe(250)
        expect(counts).toMatchObject({ received: 250, missing: 0 })
      })
    )

    itSim(`sees what is lost, each second and at the end, ${direction}`, () =>
      Effect.gen(function* () {
        const { cable, near } = yield* served()
        cable.set({ delayMillis: 20, jitterMillis: 5, lossRate: 0.1 })
        const seconds: Array<DatagramCounts> = []
        const onSecond = (counts: DatagramCounts) => Effect.sync(() => void seconds.push(counts))
        const counts = (yield* callDatagramTest(near, test({ direction }), onSecond))!
        expect(counts.sent).toBeGreaterThan(200)
        expect(counts.missing).toBe(counts.sent - counts.received)
        expect(counts.missing / counts.sent).toBeGreaterThan(0.04)
        expect(counts.missing / counts.sent).toBeLessThan(0.2)
        expect(counts.jitterMillis).toBeGreaterThan(0)
        expect(seconds.length).toBeGreaterThanOrEqual(2)
        expect(seconds[1].missing).toBeGreaterThan(0)
        expect(seconds[1].received).toBeGreaterThan(seconds[0].received)
      })
    )
  }

  itSim("sends no more than congestion control lets through, and drops none of them itself", () =>
    Effect.gen(function* () {
      const { cable, near } = yield* served()
      cable.set({ delayMillis: 50 })
      const counts = (yield* callDatagramTest(near, test({ millis: 1000, bitsPerSecond: 0 })))!
      expect(counts.sent).toBeGreaterThan(250)
      expect(counts.missing).toBe(0)
      expect(near.stats.sendDatagramsDropped).toBe(0)
    })
  )

  itSim("runs one test of a connection at a time, and another after it", () =>
    Effect.gen(function* () {
      const { near } = yield* served()
      const first = yield* Effect.forkScoped(callDatagramTest(near, test()), { startImmediately: true })
      yield* Effect.sleep(500)
      expect((yield* reasonOf(callDatagramTest(near, test({ number: 8 }))))._tag).toBe("StreamReset")
      expect(first.pollUnsafe()).toBeUndefined()
      yield* Effect.sleep(5000)
      expect((yield* callDatagramTest(near, test({ number: 9 })))!.missing).toBe(0)
    })
  )

  itSim("waits for a client that is silent for a while only, and is free then", () =>
    Effect.gen(function* () {
      const { near } = yield* served()
      const stream = yield* near.openBidi
      yield* stream.write(new Uint8Array(1))
      yield* Effect.sleep(10_000)
      expect((yield* reasonOf(callDatagramTest(near, test())))._tag).toBe("StreamReset")
      yield* Effect.sleep(10_000)
      expect((yield* callDatagramTest(near, test({ number: 8 })))!.missing).toBe(0)
    })
  )

  itSim("has enough of a server that reports forever, or nothing", () =>
    Effect.gen(function* () {
      const { far, near } = yield* simPair({ client: { transport }, server: { transport } })
      let isSilent = false
      yield* Effect.forkScoped(
        far.serveStreams((stream) =>
          isSilent ? Effect.never : Effect.ignore(Effect.forever(stream.write(new Uint8Array(25))))
        )
      )
      let seconds = 0
      const onSecond = () => Effect.sync(() => void seconds++)
      expect(yield* callDatagramTest(near, test({ direction: "download" }), onSecond)).toBeUndefined()
      expect(seconds).toBeLessThan(30)
      isSilent = true
      expect((yield* reasonOf(callDatagramTest(near, test())))._tag).toBe("ReadTimeout")
    })
  )

  itSim("an upload's server waits for what is still on its way, and no longer", () =>
    Effect.gen(function* () {
      const { near } = yield* served()
      const nowMillis = Clock.currentTimeMillis
      /** Says at once that it has sent `said`; `sent` arrive after that, 100 ms apart. */
      const uploaded = Effect.fnUntraced(function* (number: number, said: number, sent: number) {
        const upload = test({ number })
        const stream = yield* near.openBidi
        yield* stream.writeAll([encodeTest(upload), encodeCount(said)])
        yield* stream.finish
        const datagram = datagramOf(upload)
        for (let i = 0; i < sent; i++) {
          yield* Effect.sleep(100)
          stamp(datagram, i, i * 100_000)
          yield* near.sendDatagram(datagram)
        }
        const lastAt = yield* nowMillis
        const reports = yield* readAll(stream)
        const last = decodeReport(reports.subarray(-REPORT_BYTES))
        return { last, tookMillis: (yield* nowMillis) - lastAt }
      })
      const all = yield* uploaded(1, 20, 20)
      expect(all.last).toMatchObject({ isLast: true, sent: 20, received: 20 })
      const half = yield* uploaded(2, 20, 10)
      expect(half.last).toMatchObject({ isLast: true, sent: 20, received: 10 })
      // in virtual time: two looks of 250 ms, between which nothing has arrived
      expect(half.tookMillis).toBeLessThan(600)
      expect(half.tookMillis).toBeGreaterThan(250)
    })
  )

  itSim("is refused what is beyond its limits", () =>
    Effect.gen(function* () {
      const { near } = yield* served()
      const greedy = test({ direction: "download", bytes: datagramLimits.maxBytes + 1 })
      expect((yield* reasonOf(callDatagramTest(near, greedy)))._tag).toBe("StreamReset")
    })
  )

  itSim("ends what it sends when its client goes", () =>
    Effect.gen(function* () {
      const { far, near } = yield* served()
      const endless = test({ direction: "download", millis: datagramLimits.maxMillis })
      yield* Effect.timeoutOption(callDatagramTest(near, endless), 1000)
      yield* Effect.sleep(5000)
      const before = far.stats.packetsSent
      yield* Effect.sleep(5000)
      expect(far.stats.packetsSent - before).toBeLessThan(10)
    })
  )
})

it("takes requests within their limits only", () => {
  const request = (direction: number, bytes: number, millis: number, rate: bigint) => {
    const view = new DataView(new ArrayBuffer(17))
    view.setUint8(0, direction)
    view.setUint16(3, bytes)
    view.setUint32(5, millis)
    view.setBigUint64(9, rate)
    return decodeTest(new Uint8Array(view.buffer))
  }
  expect(request(1, 16, 86_400_000, 0n)).toMatchObject({ direction: "download", bytes: 16, bitsPerSecond: 0 })
  expect(request(0, 1100, 1, 100_000_000_000n)).toMatchObject({ direction: "upload", millis: 1 })
  for (const bad of [
    request(2, 500, 1000, 0n),
    request(0, 15, 1000, 0n),
    request(0, 1101, 1000, 0n),
    request(0, 500, 0, 0n),
    request(0, 500, 86_400_001, 0n),
    request(0, 500, 1000, 999n),
    request(0, 500, 1000, 100_000_000_001n),
    request(0, 500, 1000, 2n ** 64n - 1n)
  ])
    expect(bad).toBeUndefined()
})

it("counts by number, smooths jitter as RFC 3550 does, and ignores what is not of its test", () => {
  const tally = new DatagramTally(test({ bytes: 16 }))
  const datagram = (number: number, sequence: number, micros: number, size = 16) => {
    const view = new DataView(new ArrayBuffer(size))
    view.setUint16(0, number)
    view.setUint32(4, sequence)
    view.setUint32(10, micros)
    return new Uint8Array(view.buffer)
  }
  tally.take(datagram(7, 0, 1000), 5000)
  tally.take(datagram(7, 3, 2000), 6160)
  expect([tally.expected, tally.received, tally.jitterMicros]).toEqual([4, 2, 10])
  tally.take(datagram(7, 1, 3000), 7160)
  tally.take(datagram(6, 9, 3000), 7160)
  tally.take(datagram(7, 9, 3000, 17), 7160)
  expect([tally.expected, tally.received, tally.jitterMicros]).toEqual([4, 3, 9.375])
})

it("reads rates in bits per second", () => {
  const read = (text: string) => parseBitRate(text)
  expect(["10M", "1.5 Gbit/s", "64k", "0"].map((text) => read(text))).toMatchObject(
    [10_000_000, 1_500_000_000, 64_000, 0].map((value) => ({ value }))
  )
  for (const bad of ["", "M", "-1", "10MB", "1e6"]) expect(read(bad)).toMatchObject({ _tag: "None" })
})

it("measures datagrams from the command line, as text and as JSON", async () => {
  const server = startCli(["perf", "server", "--host", "127.0.0.1", "--port", "0"])
  const [, port] = await server.printed(/127\.0\.0\.1:(\d+)\./)
  const [, fingerprint] = await server.printed(/sha256:([0-9a-f]{64})/)
  const client = ["perf", "client", `127.0.0.1:${port}`, "--pin-sha256", fingerprint]
  const datagrams = [...client, "--datagrams", "-t", "1", "--rate", "800k"]
  const [table, json] = await Promise.all([
    runCli([...datagrams, "--upload", "0"]),
    runCli([...datagrams, "--download", "0", "--json"])
  ])
  expect({ code: table.code, stderr: table.stderr }).toEqual({ code: 0, stderr: "" })
  expect(table.stdout).toMatch(
    /^Download .*bit\/s {2}\(datagrams of 1\.00 kB: \d+ sent, \d+ received, \d+ lost \(.*%\), jitter .*s\)$/m
  )
  expect(table.stdout).toMatch(/^ECN +\S/m)
  const { download, upload } = JSON.parse(json.stdout)
  expect(download).toBeUndefined()
  expect(upload).toMatchObject({ size: 1000, millis: 1000, targetBitsPerSecond: 800_000 })
  expect(upload.received).toBeGreaterThan(0)
  expect(upload.lost).toBe(upload.sent - upload.received)
})

it("refuses flags that would do nothing", async () => {
  const none = { datagrams: false, rate: Option.none(), size: Option.none(), time: Option.none(), streams: 1 }
  const refused = (flags: Partial<DatagramFlags>) =>
    Effect.runPromise(Effect.flip(checkDatagramFlags({ ...none, ...flags })))
  for (const flag of [{ rate: Option.some(0) }, { size: Option.some(500) }])
    expect((await refused(flag)).message).toBe("--rate and --size: only with --datagrams")
  expect((await refused({ datagrams: true, streams: 2 })).message).toBe("--parallel: not with --datagrams")
  await Effect.runPromise(checkDatagramFlags({ ...none, datagrams: true, rate: Option.some(0) }))
})
