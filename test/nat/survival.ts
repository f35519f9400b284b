/** Transfers that go on while the networks between change under them, and all of them arrives. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { DialAddress, type QuicConnection } from "../../src/index.ts"
import type { Kind } from "./matrix.ts"
import { alpn, isDirect } from "./peers.ts"
import { cutDirect, moveSite } from "./simulated.ts"
import { simulatedPeers } from "./simulatedCell.ts"

const line = { delayMillis: 10, bitsPerSecond: 20e6 }
const pieceBytes = 100_000

export interface Progress {
  bytes: number
  /** The longest time in which nothing arrived. */
  gapMillis: number
  lastMillis: number
}

/** Sends all and takes the echo. Dies if a byte of it is wrong. */
export const transfer = Effect.fnUntraced(function* (
  connection: QuicConnection,
  size: number,
  progress: Progress,
  onProgress: () => void = () => {}
) {
  const clock = yield* Clock.Clock
  const stream = yield* connection.openBidi
  const piece = (at: number) =>
    Uint8Array.from({ length: Math.min(pieceBytes, size - at) }, (_, i) => (at + i) % 251)
  const send = Effect.gen(function* () {
    for (let at = 0; at < size; at += pieceBytes) yield* stream.write(piece(at))
    yield* stream.finish
  })
  progress.lastMillis = clock.currentTimeMillisUnsafe()
  const take = Stream.runForEach(stream.readable, (chunk) =>
    Effect.sync(() => {
      const now = clock.currentTimeMillisUnsafe()
      progress.gapMillis = Math.max(progress.gapMillis, now - progress.lastMillis)
      progress.lastMillis = now
      for (const byte of chunk)
        if (byte !== progress.bytes++ % 251) throw new Error(`byte ${progress.bytes - 1} is wrong`)
      onProgress()
    })
  )
  yield* Effect.all([send, take], { concurrency: 2 })
})

type World = Effect.Success<ReturnType<typeof simulatedPeers>>

export interface Scenario {
  readonly name: string
  readonly client: Kind
  readonly server: Kind
  /** At a third of the transfer. */
  readonly happens: (world: World) => Effect.Effect<void>
  /** Nothing may arrive for so long at most afterwards. */
  readonly gapMillis: number
  readonly endsDirect?: boolean
}

export interface Survived {
  readonly gapMillis: number
  readonly relayedBytes: number
}

/** Fails with what did not hold. */
export const survive = Effect.fnUntraced(function* (scenario: Scenario, size: number) {
  const { client, server, happens, endsDirect } = scenario
  const world = yield* simulatedPeers({ client, server }, line)
  const { relays, publicKey } = yield* DialAddress.parse(world.ticket)
  const isOpen = client === "none" && server === "none"
  const address = isOpen ? yield* world.far.dialAddress : { publicKey, relays }
  const connection = yield* world.endpoint.dial(address, { alpn })
  const canBeDirect = client !== "udp-blocked" && server !== "udp-blocked"
  if (canBeDirect) while (!isDirect(connection)) yield* Effect.sleep(10)
  const progress: Progress = { bytes: 0, gapMillis: 0, lastMillis: 0 }
  const transferring = yield* Effect.forkScoped(transfer(connection, size, progress))
  while (progress.bytes < size / 3) yield* Effect.sleep(5)
  const before = world.relay.counters.bytes
  progress.gapMillis = 0
  yield* happens(world)
  yield* Fiber.join(transferring)
  const { gapMillis } = progress
  if (progress.bytes !== size) return yield* Effect.fail(`${progress.bytes} bytes arrived`)
  if (gapMillis > scenario.gapMillis) return yield* Effect.fail(`nothing arrived for ${gapMillis} ms`)
  if (endsDirect !== undefined && isDirect(connection) !== endsDirect)
    return yield* Effect.fail(`it ends ${endsDirect ? "relayed" : "direct"}`)
  return { gapMillis, relayedBytes: world.relay.counters.bytes - before } satisfies Survived
})

const moveBoth = ({ client, server }: World): Effect.Effect<void> =>
  Effect.sync(() => {
    moveSite(client, 1)
    moveSite(server, 2)
  })

const pairs: ReadonlyArray<readonly [client: Kind, server: Kind]> = [
  ["none", "none"],
  ["port-restricted", "port-restricted"],
  ["symmetric-sequential", "full-cone"]
]

export const scenarios: ReadonlyArray<Scenario> = [
  ...pairs.map(([client, server]) => ({
    name: "the death of the direct path",
    client,
    server,
    happens: (world: World) => Effect.sync(() => void cutDirect(world.client, world.server)),
    gapMillis: 1000,
    endsDirect: false
  })),
  ...pairs.map(([client, server]) => ({
    name: "both sides going to other networks at once",
    client,
    server,
    happens: moveBoth,
    gapMillis: 10_000
  })),
  ...(["client", "server"] as const).map((side) => ({
    name: `a rebinding of the ${side}'s NAT`,
    client: "port-restricted" as const,
    server: "port-restricted" as const,
    happens: (world: World) => Effect.sync(() => world[side].nat?.rebind()),
    gapMillis: 5000
  })),
  {
    name: "a restart of the relay that all goes through",
    client: "udp-blocked",
    server: "none",
    happens: ({ relay }) => relay.restart(1000),
    gapMillis: 5000
  },
  {
    name: "a restart of the relay that nothing goes through",
    client: "none",
    server: "none",
    happens: ({ relay }) => relay.restart(1000),
    gapMillis: 500,
    endsDirect: true
  },
  {
    name: "both sides going to other networks at once, through the relay",
    client: "udp-blocked",
    server: "udp-blocked",
    happens: moveBoth,
    gapMillis: 10_000
  }
]
