/** One transfer of 100 MB through a network that changes meanwhile. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { otherRole, type Role } from "../../src/wire/Role.ts"
import type { Material } from "../interop/material.ts"
import {
  type Implementation,
  InteropFailure,
  type Payload,
  type Peer,
  type Received
} from "../interop/Peer.ts"
import { nodeProgram, runProgram } from "../interop/peers/programs.ts"
import { Network } from "./Network.ts"
import { OurProcesses } from "./OurProcesses.ts"
import type { Scenario } from "./scenarios.ts"

const program = nodeProgram("../../netns/program.ts")

export interface Transfer {
  readonly scenario: Scenario
  readonly bulk: Payload
  readonly material: Material
  /** Who has the other role; undefined is another process of ours. */
  readonly peer: { readonly implementation: Peer; readonly role: Role } | undefined
  readonly receiver: Role
}

export interface Outcome {
  readonly stallMillis: number
  readonly evidence: string
}

/** What an exchange is made of, and who does it. */
const prepare = (
  { peer, receiver, bulk, material, scenario }: Transfer,
  network: Network,
  ours: OurProcesses
) => {
  const application = peer?.implementation.application ?? "transfer"
  const alpn = application === "http3" ? ["--alpn", "h3"] : []
  const us = runProgram([...program, ...alpn], ours.onStart)
  const inRole = (role: Role): Omit<Implementation, "name"> =>
    peer?.role === role ? peer.implementation : us
  const { client, server } = material.credentials.x509
  const { small } = material.payloads
  const [up, down] = receiver === "client" ? [small, bulk] : [bulk, small]
  const common = { application, mutual: true, ...(scenario.multipath && { multipath: true }) } as const
  const atServer = { self: server, trusted: client, send: down, expect: up, place: network.server }
  const atClient = { self: client, trusted: server, send: up, expect: down, place: network.client }
  return {
    ...{ up, down },
    startServer: inRole("server").server({ ...common, ...atServer }),
    runClient: (port: number) => inRole("client").client({ ...common, ...atClient, port })
  }
}

const check = (side: string, received: Received, sent: Payload): Effect.Effect<void, InteropFailure> =>
  received.bytes !== sent.bytes.length
    ? new InteropFailure({ reason: `the ${side} got ${received.bytes} bytes of ${sent.bytes.length}` })
    : received.sha256 !== undefined && received.sha256 !== sent.sha256
      ? new InteropFailure({ reason: `the ${side} got other bytes than were sent` })
      : Effect.void

/** Moves the bytes; fails unless each of them arrived and the network did what it should. */
export const transfer = Effect.fnUntraced(function* (options: Transfer) {
  const { scenario, peer, receiver } = options
  const network = yield* Network.make({ nat: scenario.nat })
  const ours = new OurProcesses(peer?.role === receiver ? otherRole(receiver) : receiver)
  const { up, down, startServer, runClient } = prepare(options, network, ours)
  const server = yield* startServer
  // its progress is read while this waits
  const atServer = yield* Effect.forkScoped(server.received)
  const ports = new Set<string>()
  const notePorts = Effect.sync(() => {
    for (const port of network.bindings) ports.add(port)
  })
  let changed = 0
  const changes = Effect.forEach(
    scenario.changes,
    Effect.fnUntraced(function* ({ at, apply, tells }) {
      yield* ours.reach(at)
      yield* notePorts
      yield* Effect.sync(() => apply(network))
      if (tells !== undefined) yield* ours.tell(tells)
      changed++
    }),
    { discard: true }
  )
  const { keyUpdateMillis } = scenario
  const newKeys =
    keyUpdateMillis === undefined
      ? Effect.never
      : Effect.forever(Effect.delay(ours.tell("update-keys"), keyUpdateMillis))
  const meanwhile = Effect.all([changes, newKeys], { concurrency: "unbounded" })
  const received = yield* Effect.raceFirst(runClient(server.port), Effect.andThen(meanwhile, Effect.never))
  yield* check("client", received, down)
  const receivedByServer = yield* Fiber.join(atServer)
  yield* check("server", receivedByServer, up)
  yield* notePorts
  if (changed < scenario.changes.length)
    return yield* new InteropFailure({ reason: `only ${changed} changes of the network came in time` })
  const { seen } = peer?.role === "client" ? receivedByServer : received
  const evidence = yield* Effect.mapError(
    scenario.evidence({ network, seen, ports }),
    (reason) => new InteropFailure({ reason: `every byte arrived, but ${reason}` })
  )
  return { stallMillis: ours.stallMillis, evidence } satisfies Outcome
})
