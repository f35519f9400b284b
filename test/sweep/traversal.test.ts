/** A dial that punches its way to a direct path, interrupted on the way. */
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect } from "vitest"
import type { Kind } from "../nat/matrix.ts"
import { alpn, isDirect } from "../nat/peers.ts"
import { publicAddresses } from "../nat/simulated.ts"
import { simulatedPeers } from "../nat/simulatedCell.ts"
import { itSim } from "../sim/itSim.ts"
import { inventory } from "./inventory.ts"
import { Stepper } from "./Stepper.ts"

/** Interrupted at so many steps, evenly spread over all of them. */
const targets = 24
/** By then closing and draining are over, and a relay that only the peer has is left. */
const quietMillis = 35_000
/** How long nothing may go between the sites after that. */
const silentMillis = 2_000

type Peers = Effect.Success<ReturnType<typeof simulatedPeers>>

/** Dials through the peer's relay, waits until data goes directly, and hangs up. */
const punch = ({ endpoint, ticket }: Peers) =>
  Effect.gen(function* () {
    const connection = yield* endpoint.dial(ticket, { alpn })
    while (!isDirect(connection)) yield* Effect.sleep(5)
  }).pipe(Effect.timeout("10 seconds"), Effect.scoped)

const isPublic = (host: string) => publicAddresses.some((address) => address === host)

/** Packets that go between the sites for some time: probes, or what else a connection has left. */
const strays = Effect.fnUntraced(function* ({ client, server }: Peers) {
  let count = 0
  const lines = [client.line.forward, server.line.forward]
  for (const line of lines)
    line.dropIf = ({ from, to }) => {
      if (!isPublic(from.host) && !isPublic(to.host)) count++
      return false
    }
  yield* Effect.sleep(silentMillis)
  for (const line of lines) line.dropIf = undefined
  return count
})

/** What anybody holds because of a dial. */
const holdings = Effect.fnUntraced(function* (peers: Peers) {
  const ends = yield* Effect.forEach([peers.endpoint, peers.far], (end) => Effect.all([end.tree, end.relays]))
  return {
    ends: ends.map(([tree, relays]) => ({
      tree: inventory(tree),
      relays: relays.map(({ url, isLinked, problem }) => ({ url, isLinked, problem }))
    })),
    clientsOfRelays: [peers.relay.clientCount, peers.farRelay.clientCount],
    sockets: [peers.client.host.socketCount, peers.server.host.socketCount],
    events: peers.network.pendingEvents
  }
})

type Holdings = Effect.Success<ReturnType<typeof holdings>>

const sweep = Effect.fnUntraced(function* (client: Kind, server: Kind, watch: (onStep: () => void) => void) {
  const peers = yield* simulatedPeers({ client, server }, { farRelayPort: 3341 })
  const run = Effect.fnUntraced(function* (target = Number.POSITIVE_INFINITY) {
    const stepper = new Stepper(target)
    watch(stepper.onStep)
    const exit = yield* stepper.run(punch(peers), yield* Effect.context<never>())
    return { exit, steps: stepper.steps }
  })
  const expectNothingLeft = Effect.fnUntraced(function* (before: Holdings, where: string) {
    yield* Effect.sleep(quietMillis)
    expect(yield* strays(peers), where).toBe(0)
    let after = yield* holdings(peers)
    // a bootstrap node or a relay may be asked just now whether it is there
    for (let tries = 0; tries < 10 && !isDeepStrictEqual(after, before); tries++) {
      yield* Effect.sleep(100)
      after = yield* holdings(peers)
    }
    expect(after, where).toEqual(before)
  })
  yield* Effect.sleep(quietMillis)
  const before = yield* holdings(peers)
  expect(before).toMatchObject({ clientsOfRelays: [1, 1], sockets: [1, 1] })
  const { exit, steps } = yield* run()
  expect(exit).toEqual(Exit.void)
  expect(steps).toBeGreaterThan(targets)
  yield* expectNothingLeft(before, "after one that was not interrupted")
  for (let i = 0; i < targets; i++) {
    const target = Math.floor((steps * i) / targets)
    const where = `after an interrupt at step ${target} of ${steps}`
    expect(Exit.hasInterrupts((yield* run(target)).exit), where).toBe(true)
    // every other one is followed by the next at once
    if (i % 2 === 0) yield* expectNothingLeft(before, where)
    expect((yield* run()).exit, `the next dial ${where}`).toEqual(Exit.void)
    yield* expectNothingLeft(before, `the next dial ${where}`)
  }
})

describe("a dial that punches until it is direct, interrupted at any step, leaves nothing behind:", () => {
  const pairs: ReadonlyArray<readonly [Kind, Kind]> = [
    ["port-restricted", "port-restricted"],
    ["symmetric-sequential", "port-restricted"]
  ]
  for (const [client, server] of pairs) {
    let onStep = () => {}
    const watch = (watcher: () => void) => {
      onStep = watcher
    }
    itSim(`${client} > ${server}`, () => sweep(client, server, watch), {
      maxVirtualMillis: 3_600_000,
      onStep: () => onStep()
    })
  }
})
