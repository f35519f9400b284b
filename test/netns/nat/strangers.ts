/**
 * An endpoint of iroh's and one of ours, in networks of their own: each dials the other by key through our relay, exchanges
 * some megabytes with it meanwhile, and goes direct. Ours is behind a NAT, so that iroh finds it by its peer-reflexive address.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DialAddress } from "../../../src/index.ts"
import type { Role } from "../../../src/wire/Role.ts"
import type { Kind } from "../../nat/matrix.ts"
import { Child } from "./Child.ts"
import type { OpenNode } from "./cells.ts"
import type { NatNetwork } from "./NatNetwork.ts"

const bytes = 10_000_000

export interface Exchanged {
  readonly wasRelayed: boolean
  readonly isDirect: boolean
  /** Sent there and back. */
  readonly bytes: number
  /** As iroh counts what it has sent. */
  readonly directBytes?: number
  readonly relayedBytes?: number
}

type Exchange = Effect.Effect<Exchanged, unknown, Scope.Scope>

const place = (network: NatNetwork, kinds: Readonly<Record<Role, Kind>>): void => {
  for (const role of ["client", "server"] as const) network.place(role, kinds[role])
}

const relayOf = ({ told }: OpenNode): string =>
  (JSON.parse(told) as { readonly relays: ReadonlyArray<string> }).relays[0]

const weDial = Effect.fnUntraced(function* (network: NatNetwork, node: OpenNode) {
  place(network, { client: "port-restricted", server: "none" })
  const relay = relayOf(node)
  const iroh = yield* Child.start(network.hostOf("server"), "iroh.ts", "serve", relay)
  const { key } = yield* iroh.next<{ key: string }>("serving")
  const publicKey = new Uint8Array(Buffer.from(key, "hex"))
  const ticket = DialAddress.ticket({ publicKey, relays: [relay], addresses: [] })
  const args = ["transfer", node.told, ticket, String(bytes)] as const
  const ours = yield* Child.start(network.hostOf("client"), "peer.ts", ...args)
  const { wasRelayed } = yield* ours.next<{ wasRelayed: boolean }>("dialed")
  const done = yield* ours.next<{ bytes: number; isDirect: boolean }>("done")
  return { wasRelayed, isDirect: done.isDirect, bytes: done.bytes } satisfies Exchanged
})

const irohDials = Effect.fnUntraced(function* (network: NatNetwork, node: OpenNode) {
  place(network, { client: "none", server: "port-restricted" })
  const ours = yield* Child.start(network.hostOf("server"), "peer.ts", "serve", node.told)
  const { ticket } = yield* ours.next<{ ticket: string }>("serving")
  const { publicKey } = yield* DialAddress.parse(ticket)
  const args = ["dial", relayOf(node), Buffer.from(publicKey).toString("hex"), String(bytes)] as const
  const iroh = yield* Child.start(network.hostOf("client"), "iroh.ts", ...args)
  return { ...(yield* iroh.next<Omit<Exchanged, "bytes">>("done")), bytes } satisfies Exchanged
})

export const strangers: ReadonlyArray<{
  readonly name: string
  readonly exchange: (network: NatNetwork, node: OpenNode) => Exchange
}> = [
  { name: "iroh is dialed", exchange: weDial },
  { name: "iroh dials", exchange: irohDials }
]

/** What is wrong with it; undefined if nothing is. */
export const whyNot = (exchanged: Exchanged): string | undefined => {
  if (!exchanged.wasRelayed) return "it did not begin at the relay"
  if (exchanged.bytes !== bytes) return `${exchanged.bytes} bytes came back`
  return exchanged.isDirect ? undefined : "it stayed relayed"
}
