/** Captures the traffic of a program's sockets to a file, with the secrets to decrypt it. */
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
  Flag.withDescription("Capture packets, with the keys to decrypt them, to this pcapng file"),
  Flag.optional
)

type Record = (from: SocketAddress, to: SocketAddress, payload: Uint8Array) => void

/** A socket that records what it sends and receives. */
const recorded = (socket: UdpSocket, record: Record): UdpSocket => {
  let reserved = 0
  return {
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
    get buffer() {
      return socket.buffer
    },
    reserve: (maxBytes) => (reserved = socket.reserve(maxBytes)),
    commit: (end, to, ecn, from) => {
      record(from ?? socket.localAddress, to, socket.buffer.subarray(reserved, end))
      socket.commit(end, to, ecn, from)
    },
    drain: (max, handle) =>
      socket.drain(max, (received: ReceivedDatagram) => {
        record(received.from, received.to ?? socket.localAddress, received.bytes)
        handle(received)
      })
  }
}

/** Maximum bytes queued for writing. */
const maxPendingBytes = 64 * 1024 * 1024
const writeMillis = 20

/** Blocks queued for writing. */
class PendingBlocks {
  dropped = 0
  private first: Array<Uint8Array> = []
  private packets: Array<Uint8Array> = []
  private bytes = 0

  /** Secrets (`first`) precede packets: Wireshark must know them before the packets they decrypt. */
  push(block: Uint8Array, list: "first" | "packets"): void {
    if (list === "packets" && this.bytes + block.length > maxPendingBytes) this.dropped++
    else {
      this[list].push(block)
      this.bytes += block.length
    }
  }

  /** Removes and joins all of them. */
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

/** Captures to `file` until the scope closes. */
const toFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const clock = yield* Clock.Clock
  const udp = yield* UdpPort
  const keyLog = yield* KeyLog
  const output = yield* fs.open(file, { flag: "w", mode: 0o600 })
  const pending = new PendingBlocks()
  for (const block of preamble()) pending.push(block, "first")
  const write = Effect.suspend(() => output.writeAll(pending.take()))
  yield* Effect.addFinalizer(() =>
    Effect.ignore(write).pipe(
      Effect.andThen(
        pending.dropped === 0
          ? Effect.void
          : Effect.logWarning(`${pending.dropped} packets are missing in ${file}: the disk was too slow`)
      )
    )
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(writeMillis), write)))
  const record: Record = (from, to, payload) => {
    const unixMicros = Number(clock.currentTimeNanosUnsafe() / 1000n)
    pending.push(datagram(from, to, payload, unixMicros), "packets")
  }
  return Layer.merge(
    Layer.succeed(UdpPort, {
      ...udp,
      bind: (options) => Effect.map(udp.bind(options), (socket) => recorded(socket, record))
    }),
    Layer.succeed(KeyLog, (line: string) => {
      keyLog?.(line)
      pending.push(secrets(line), "first")
    })
  )
})

/** A `UdpPort` whose sockets are captured if a file is given. */
export const layerCapture = (file: Option.Option<string>) =>
  Option.isNone(file) ? Layer.effect(UdpPort, UdpPort) : Layer.unwrap(toFile(file.value))
