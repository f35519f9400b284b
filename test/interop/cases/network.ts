/** Changing and lossy networks: a middlebox in between, or a client that migrates. */
import * as Effect from "effect/Effect"
import type { MiddleboxOptions } from "../Middlebox.ts"
import { type Case, exchangeThrough, require } from "./exchange.ts"

/** The server sees the client's address change and must validate the new one. RFC 9000 §9 */
const moved = (name: string, title: string, network: MiddleboxOptions, migrate: boolean): Case => ({
  name,
  title,
  run: Effect.fnUntraced(function* (pairing) {
    const { small, medium } = pairing.material.payloads
    const { box } = yield* exchangeThrough(pairing, { up: small, down: medium, network, migrate })
    yield* require(box.addresses > 1, "the client's address did not change")
    yield* require(box.serverFollowed, "the server did not validate the new address")
    if (migrate) yield* require(box.unlinkable, "the client migrated without changing its connection ID")
    return "ok"
  })
})

const lossRate = 0.03

const lossy: Case = {
  name: "lossy",
  title: `${lossRate * 100} % loss`,
  run: Effect.fnUntraced(function* (pairing) {
    const { medium } = pairing.material.payloads
    const { box } = yield* exchangeThrough(pairing, { up: medium, down: medium, network: { lossRate } })
    yield* require(box.lost > 0, "nothing was lost")
    return "ok"
  })
}

export const networkCases: ReadonlyArray<Case> = [
  moved("rebind-port", "port rebinding", { rebind: "port" }, false),
  moved("rebind-addr", "address rebinding", { rebind: "address" }, false),
  moved("connectionmigration", "migration", {}, true),
  lossy
]
