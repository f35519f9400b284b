/** Cells of the matrix, and transfers that survive, between processes in namespaces. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Role } from "../../../src/wire/Role.ts"
import type { Kind } from "../../nat/matrix.ts"
import type { CellFigures } from "../../nat/peers.ts"
import { Child } from "./Child.ts"
import { type NatNetwork, publicAddresses } from "./NatNetwork.ts"

/** What the programs are told of the public host, as JSON. */
export interface OpenNode {
  readonly child: Child
  readonly told: string
}

export const startOpenNode = Effect.fnUntraced(function* (network: NatNetwork) {
  const child = yield* Child.start(network.public, "openNode.ts", ...publicAddresses)
  const { relays, bootstraps } = yield* child.next<{ relays: unknown; bootstraps: unknown }>("ready")
  return { child, told: JSON.stringify({ relays, bootstraps }) } satisfies OpenNode
})

const startPeers = Effect.fnUntraced(function* (
  network: NatNetwork,
  { told }: OpenNode,
  kinds: Readonly<Record<Role, Kind>>,
  ...task: readonly [name: string, ...args: ReadonlyArray<string>]
): Effect.fn.Return<Child, Error, Scope.Scope> {
  for (const role of ["client", "server"] as const) network.place(role, kinds[role])
  const server = yield* Child.start(network.hostOf("server"), "peer.ts", "serve", told)
  const { ticket } = yield* server.next<{ ticket: string }>("serving")
  const [name, ...args] = task
  return yield* Child.start(network.hostOf("client"), "peer.ts", name, told, ticket, ...args)
})

/** The figures of one cell. */
export const measureLive = (
  network: NatNetwork,
  node: OpenNode,
  kinds: Readonly<Record<Role, Kind>>,
  patience: number
) =>
  Effect.scoped(
    Effect.flatMap(startPeers(network, node, kinds, "dial", String(patience)), (client) =>
      client.next<CellFigures>("figures")
    )
  )

export interface LiveScenario {
  readonly name: string
  readonly client: Kind
  readonly server: Kind
  readonly happens: (network: NatNetwork, node: OpenNode) => void
  /** Nothing may arrive for so long at most. */
  readonly gapMillis: number
}

const moveBoth = (network: NatNetwork): void => {
  for (const role of ["client", "server"] as const) network.move(role)
}

/** Measured in real time on a machine that does other things. */
export const liveScenarios: ReadonlyArray<LiveScenario> = [
  {
    name: "direct path dies",
    client: "port-restricted",
    server: "port-restricted",
    happens: (network) => network.cutDirect(),
    gapMillis: 1000
  },
  {
    name: "rebinding of the client's NAT",
    client: "symmetric-random",
    server: "full-cone",
    happens: (network) => network.rebind("client"),
    gapMillis: 5000
  },
  {
    name: "rebinding of the server's NAT",
    client: "full-cone",
    server: "symmetric-random",
    happens: (network) => network.rebind("server"),
    gapMillis: 5000
  },
  {
    name: "relay restarts, all through it",
    client: "udp-blocked",
    server: "none",
    happens: (_network, { child }) => child.tell("restart"),
    gapMillis: 10_000
  },
  {
    name: "both sides change networks",
    client: "port-restricted",
    server: "port-restricted",
    happens: moveBoth,
    gapMillis: 20_000
  }
]

export interface LiveSurvival {
  readonly wasDirect: boolean
  readonly isDirect: boolean
  readonly gapMillis: number
  readonly bytes: number
}

/** Sends so much and takes the echo; at a third of it something happens. */
export const surviveLive = (network: NatNetwork, node: OpenNode, scenario: LiveScenario, size: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { client, server, happens } = scenario
      const child = yield* startPeers(network, node, { client, server }, "transfer", String(size))
      const { isDirect: wasDirect } = yield* child.next<{ isDirect: boolean }>("settled")
      let gapMillis = 0
      let hasHappened = false
      const onProgress = (event: object): void => {
        const progress = event as { readonly bytes: number; readonly gapMillis: number }
        if (hasHappened) gapMillis = Math.max(gapMillis, progress.gapMillis)
        else if (progress.bytes >= size / 3) {
          hasHappened = true
          happens(network, node)
        }
      }
      const done = yield* child.next<{ bytes: number; gapMillis: number; isDirect: boolean }>(
        "done",
        onProgress
      )
      gapMillis = Math.max(gapMillis, done.gapMillis)
      return { wasDirect, isDirect: done.isDirect, gapMillis, bytes: done.bytes } satisfies LiveSurvival
    })
  )
