/** Hostile lengths, from whoever calls the port and from whoever it calls. */
import { spawnSync } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { make } from "../../layers/ffi/FfiUdpPort.ts"
import { Inbound } from "../../layers/ffi/udp/Inbound.ts"
import { Memories } from "../../layers/ffi/udp/Memories.ts"
import { socketCalls } from "../../layers/ffi/udp/socketCalls.ts"
import { SocketNames, Zones } from "../../layers/ffi/udp/SocketNames.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { brokenNative, native } from "./brokenNative.ts"

it("sockets of a process that may do nothing else survive nonsense", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url))
  const flags = ["--no-warnings", "--permission", "--allow-ffi", `--allow-fs-read=${root}`]
  const { signal, status, stderr, stdout } = spawnSync(
    process.execPath,
    [...flags, fileURLToPath(new URL("fuzzPort.ts", import.meta.url)), "400", "nonsense"],
    { encoding: "utf8", timeout: 60_000 }
  )
  expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: "" })
  const { bound, refused, sent, received } = JSON.parse(stdout)
  expect(bound + refused).toBe(400)
  for (const count of [bound, refused, sent, received]) expect(count).toBeGreaterThan(20)
})

it("datagrams that nobody can answer do not keep a socket busy, however many there are", async () => {
  let isFlooded = false
  const flooded = brokenNative("recvmsg", (recvmsg) => (fd: bigint, header: bigint, flags: bigint) => {
    const received = recvmsg(fd, header, flags)
    if (!isFlooded || flags !== 0n) return received
    const message = new DataView(native.foreign(header, 56).buffer)
    // from port 0
    native.foreign(message.getBigUint64(0, true), 16).set([2, 0, 0, 0, 192, 0, 2, 1])
    return 100
  })
  const { missing, port } = make(Result.succeed(flooded))
  expect(missing).toEqual([])
  isFlooded = true
  const taken = Effect.map(port.bind({ host: "127.0.0.1" }), (socket) => socket.drain(256, () => {}))
  expect(await Effect.runPromise(Effect.scoped(taken))).toBe(0)
})

it("whatever the system writes about what it has received, no datagram reaches beyond what was received", () => {
  const random = new SeededRandom("received")
  let returned = 0
  /** Fills name and control messages with nonsense in which true headers are. */
  const lying = brokenNative("recvmsg", () => (_: bigint, header: bigint) => {
    const message = new DataView(native.foreign(header, 56).buffer)
    const control = native.foreign(message.getBigUint64(32, true), 256)
    const name = native.foreign(message.getBigUint64(0, true), 32)
    for (let i = 0; i < 32; i++) name[i] = random.below(256)
    name.set([random.below(2) === 0 ? 2 : 10, 0])
    const view = new DataView(control.buffer)
    let at = 0
    for (let i = random.below(5); i > 0 && at < 200; i--) {
      const [level, type] = [
        [17, 104],
        [0, 1],
        [0, 8],
        [41, 50],
        [41, 67],
        [1, 2]
      ][random.below(6)]
      const length = random.below(4) === 0 ? random.below(2 ** 31) : 16 + random.below(24)
      view.setUint32(at, length, true)
      view.setInt32(at + 8, level, true)
      view.setInt32(at + 12, type, true)
      for (let j = 16; j < 24; j++) control[at + j] = random.below(4) === 0 ? random.below(256) : 0
      at += (length + 7) & ~7
    }
    message.setUint32(40, random.below(3) === 0 ? random.below(2 ** 31) : Math.min(256, at), true)
    message.setUint32(48, random.below(20) === 0 ? 0x20 : 0, true)
    returned = random.below(10) === 0 ? -1 : random.below(4) === 0 ? random.below(4) : random.below(65_537)
    return returned
  })
  const calls = Result.getOrThrow(socketCalls(lying))
  const names = new SocketNames(new Zones(lying, calls), 6)
  const local = { host: "::", port: 443, family: 6 } as const
  const inbound = new Inbound(lying, calls, -1n, new Memories(lying), names, local, undefined)
  let datagrams = 0
  for (let i = 0; i < 20_000; i++) {
    if (!inbound.read()) {
      expect(returned).toBe(-1)
      continue
    }
    let bytes = 0
    while (inbound.left > 0) {
      const datagram = inbound.take()
      bytes += datagram.bytes.length
      if (datagrams++ % 97 === 0) expect(datagram.ecn).toBeLessThan(4)
    }
    if (bytes !== 0) expect(bytes).toBe(returned)
    inbound.release()
  }
  expect(datagrams).toBeGreaterThan(10_000)
})
