/** Writes what passes through the sockets of a program to a file, with the secrets to decrypt it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Flag } from "effect/cli"
import { KeyLog } from "../capability/KeyLog.ts"
import { type ReceivedDatagram, UdpPort, type UdpSocket } from "../capability/UdpPort.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { datagram, preamble, secrets } from "./pcapng.ts"

export const pcapFlag = Flag.File("pcap").pipe(
  Flag.withDescription("Write the packets, and the keys to them, to this pcapng file"),
  Flag.optional
)

type Record = (from: SocketAddress, to: SocketAddress, payload: Uint8Array) => void

/** A socket that tells what it sends and receives. */
const watched = (socket: UdpSocket, record: Record): UdpSocket => ({
  localAddress: socket.localAddress,
  capabilities: socket.capabilities,
  get counters() {
    return socket.counters
  },
  get congested() {
    return socket.congested
  },
  onReadable: (wake) => socket.onReadable(wake),
  onRefused: (listener) => socket.onRefused(listener),
  flush: () => socket.flush(),
  send: (buffer, start, end, to, ecn, from) => {
    record(from ?? socket.localAddress, to, buffer.subarray(start, end))
    socket.send(buffer, start, end, to, ecn, from)
  },
  drain: (max, handle) =>
    socket.drain(max, (received: ReceivedDatagram) => {
      record(received.from, received.to ?? socket.localAddress, received.bytes)
      handle(received)
    })
})

/** More than this is not kept waiting for the disk, bytes. */
const maxWaitingBytes = 64 * 1024 * 1024
const writeMillis = 20

/** Blocks on their way to a file. */
class WaitingBlocks {
  dropped = 0
  private first: Array<Uint8Array> = []
  private packets: Array<Uint8Array> = []
  private bytes = 0

  /** `first` ones go before the packets: Wireshark looks for secrets when it meets the packet that gave rise to them. */
  push(block: Uint8Array, list: "first" | "packets"): void {
    if (list === "packets" && this.bytes + block.length > maxWaitingBytes) this.dropped++
    else {
      this[list].push(block)
      this.bytes += block.length
    }
  }

  /** All of them, joined. */
  take(): Uint8Array {
    const joined = new Uint8Array(this.bytes)
    let offset = 0
    for (const block of [...this.first, ...this.packets]) {
      joined.set(block, offset)
      offset += block.length
    }
    this.first = []
    this.packets = []
    this.bytes = 0
    return joined
  }
}

/** Captures to `file` as long as its scope lives. */
const toFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const clock = yield* Clock.Clock
  const udp = yield* UdpPort
  const keyLog = yield* KeyLog
  const output = yield* fs.open(file, { flag: "w", mode: 0o600 })
  const waiting = new WaitingBlocks()
  for (const block of preamble()) waiting.push(block, "first")
  const write = Effect.suspend(() => output.writeAll(waiting.take()))
  yield* Effect.addFinalizer(() =>
    Effect.ignore(write).pipe(
      Effect.andThen(
        waiting.dropped === 0
          ? Effect.void
          : Effect.logWarning(
              `${waiting.dropped} packets are missing in ${file}: the disk was too slow for them`
            )
      )
    )
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(writeMillis), write)))
  const record: Record = (from, to, payload) => {
    const unixMicros = Number(clock.currentTimeNanosUnsafe() / 1000n)
    waiting.push(datagram(from, to, payload, unixMicros), "packets")
  }
  return Layer.merge(
    Layer.succeed(UdpPort, {
      ...udp,
      bind: (options) => Effect.map(udp.bind(options), (socket) => watched(socket, record))
    }),
    Layer.succeed(KeyLog, (line: string) => {
      keyLog?.(line)
      waiting.push(secrets(line), "first")
    })
  )
})

/** A `UdpPort` whose sockets are captured, when a file for that is given. */
export const layerCapture = (file: Option.Option<string>) =>
  Option.isNone(file) ? Layer.effect(UdpPort, UdpPort) : Layer.unwrap(toFile(file.value))
