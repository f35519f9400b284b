/** QUIC features beyond moving bytes. A case passes only if somebody observed the feature in use. */
import * as Effect from "effect/Effect"
import type { InteropFailure, Seen } from "../Peer.ts"
import { type Case, exchange, exchangeThrough, require } from "./exchange.ts"

const manyStreams = 1_000
const chacha20 = "TLS_CHACHA20_POLY1305_SHA256"
const datagrams = 20
const v1 = 0x00000001
const v2 = 0x6b3343cf

/** At least one side reports `name`, and every report satisfies the predicate. */
const agree = <Name extends keyof Seen>(
  { client, server }: { readonly client: Seen; readonly server: Seen },
  name: Name,
  isRight: (value: NonNullable<Seen[Name]>) => boolean,
  what: string
): Effect.Effect<void, InteropFailure> => {
  const said = [client[name], server[name]].filter((value) => value !== undefined)
  return require(said.length > 0 && said.every((value) => isRight(value as NonNullable<Seen[Name]>)), what)
}

const multiplexing: Case = {
  name: "multiplexing",
  title: "1000 streams",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    yield* exchange(pairing, { up: small, down: small, streams: manyStreams })
    return "ok"
  })
}

const cipher: Case = {
  name: "chacha20",
  title: "ChaCha20",
  run: Effect.fnUntraced(function* (pairing) {
    const { medium } = pairing.material.payloads
    const evidence = yield* exchange(pairing, { up: medium, down: medium, cipherSuite: chacha20 })
    yield* agree(evidence, "cipherSuite", (name) => name === chacha20, "another cipher suite was used")
    return "ok"
  })
}

const retry: Case = {
  name: "retry",
  title: "Retry",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const { box } = yield* exchangeThrough(pairing, { up: small, down: small, retry: true, network: {} })
    yield* require(box.wire.count.retry > 0, "the server sent no Retry")
    return "ok"
  })
}

const resumption: Case = {
  name: "resumption",
  title: "resumption",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const evidence = yield* exchange(pairing, { up: small, down: small, comeBack: "resumption" })
    yield* agree(evidence, "resumed", (resumed) => resumed, "the session was not resumed")
    return "ok"
  })
}

const earlyData: Case = {
  name: "zerortt",
  title: "0-RTT",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const evidence = yield* exchangeThrough(pairing, {
      ...{ up: small, down: small, comeBack: "earlyData" },
      network: {}
    })
    yield* require(evidence.box.wire.count.zeroRtt > 0, "no 0-RTT packet was sent")
    yield* agree(evidence, "earlyData", (accepted) => accepted, "the server rejected the early data")
    return "ok"
  })
}

const keyUpdate: Case = {
  name: "keyupdate",
  title: "key update",
  run: Effect.fnUntraced(function* (pairing) {
    const { medium } = pairing.material.payloads
    const by = pairing.client.startsKeyUpdates === false ? "server" : "client"
    const evidence = yield* exchange(pairing, { up: medium, down: medium, keyUpdate: by })
    yield* agree(evidence, "keyUpdates", (times) => times > 0, "no key update happened")
    return "ok"
  })
}

const versionNegotiation: Case = {
  name: "versionnegotiation",
  title: "version negotiation",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const { wire } = (yield* exchangeThrough(pairing, {
      ...{ up: small, down: small, version: "unknown" },
      network: {}
    })).box
    yield* require(wire.count.versionNegotiation > 0, "the server sent no Version Negotiation")
    yield* require(wire.offered !== v1 &&
      wire.agreed.has(v1), "the connection did not go from another version to version 1")
    return "ok"
  })
}

const version2: Case = {
  name: "v2",
  title: "version 2",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const { wire } = (yield* exchangeThrough(pairing, {
      ...{ up: small, down: small, version: "v2" },
      network: {}
    })).box
    yield* require(wire.agreed.has(v2) && wire.agreed.size === 1, "version 2 was not used throughout")
    return "ok"
  })
}

const unreliable: Case = {
  name: "datagrams",
  title: "datagrams",
  run: Effect.fnUntraced(function* (pairing) {
    const { small } = pairing.material.payloads
    const evidence = yield* exchange(pairing, { up: small, down: small, datagrams })
    yield* agree(evidence, "datagrams", (count) => count === datagrams, "not every datagram was echoed")
    return "ok"
  })
}

const multipath: Case = {
  name: "multipath",
  title: "multipath",
  run: Effect.fnUntraced(function* (pairing) {
    const { up, down } = pairing.material.payloads
    const evidence = yield* exchange(pairing, { up, down, multipath: true })
    yield* agree(evidence, "paths", (count) => count > 1, "only one path carried data")
    return "ok"
  })
}

export const featureCases: ReadonlyArray<Case> = [
  multiplexing,
  cipher,
  retry,
  resumption,
  earlyData,
  keyUpdate,
  versionNegotiation,
  version2,
  unreliable,
  multipath
]
