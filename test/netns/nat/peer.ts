/**
 * A peer behind a NAT: `serve PUBLIC` echoes and prints its ticket; `dial PUBLIC TICKET MILLISECONDS` prints the figures of a
 * cell;
 * `transfer PUBLIC TICKET BYTES` sends so much once it is direct, or cannot be, and takes the echo.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeRelayPort } from "../../../layers/node/index.ts"
import { Trust } from "../../../src/index.ts"
import { giveUp, say } from "./events.ts"
import { layerWithoutTrust } from "../../io.ts"
import { alpn, dialingPeer, echoPeer, isDirect, measureCell, type Public } from "../../nat/peers.ts"
import { transfer } from "../../nat/survival.ts"

const [task, publicText, ticket, amount] = process.argv.slice(2)
const told = JSON.parse(publicText) as {
  readonly relays: ReadonlyArray<string>
  readonly bootstraps: ReadonlyArray<{ readonly host: string; readonly key: string }>
}
const open: Public = {
  relays: told.relays,
  bootstraps: told.bootstraps.map(({ host, key }) => ({
    host,
    publicKey: new Uint8Array(Buffer.from(key, "hex"))
  }))
}
const settleMillis = 20_000
const reportEveryBytes = 1_000_000

const serve = Effect.gen(function* () {
  const peer = yield* echoPeer(open)
  say({ event: "serving", ticket: peer.ticket })
  return yield* Effect.never
})

const dial = Effect.gen(function* () {
  const endpoint = yield* dialingPeer(open)
  say({ event: "online" })
  const { figures } = yield* measureCell(endpoint, ticket, Number(amount))
  say({ event: "figures", ...figures })
})

const carry = Effect.gen(function* () {
  const endpoint = yield* dialingPeer(open)
  const connection = yield* endpoint.dial(ticket, { alpn })
  say({ event: "dialed", wasRelayed: !isDirect(connection) })
  for (let waited = 0; waited < settleMillis && !isDirect(connection); waited += 20) yield* Effect.sleep(20)
  say({ event: "settled", isDirect: isDirect(connection) })
  let reported = 0
  const progress = { bytes: 0, gapMillis: 0, lastMillis: 0 }
  const report = (): void => {
    if (progress.bytes - reported < reportEveryBytes) return
    reported = progress.bytes
    say({ event: "progress", bytes: progress.bytes, gapMillis: progress.gapMillis })
    progress.gapMillis = 0
  }
  yield* transfer(connection, Number(amount), progress, report)
  say({ event: "done", bytes: progress.bytes, gapMillis: progress.gapMillis, isDirect: isDirect(connection) })
})

const tasks = { serve, dial, transfer: carry } as const

tasks[task as keyof typeof tasks].pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(layerWithoutTrust, NodeRelayPort.layer, Trust.layerAnyRawKey)),
  Effect.catch((error) => Effect.sync(() => giveUp(error))),
  NodeRuntime.runMain()
)
