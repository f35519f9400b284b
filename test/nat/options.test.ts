/** The options of traversal: each rule names the field that breaks it. */
import * as Effect from "effect/Effect"
import { expect, it } from "@effect/vitest"
import { type BesideTraversal, traversalSettings } from "../../src/TraversalOptions.ts"
import { discoveryNodes, relayPlaces } from "../../src/RelayOptions.ts"
import { AddressDiscovery, type QuicError, Trust } from "../../src/index.ts"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { makeEndpoint, reasonOf } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

const beside: BesideTraversal = {
  serverAlpn: undefined,
  hasRelays: false,
  usesRelays: false,
  relayNodes: []
}
const serves = { ...beside, serverAlpn: ["test", AddressDiscovery.alpn] }
const node = "192.0.2.1:7842"
const settingsOf = (options: unknown, around = beside) => traversalSettings(options as never, around)

const refusedField = (options: unknown, around?: BesideTraversal) =>
  Effect.map(reasonOf(settingsOf(options, around) as Effect.Effect<unknown, QuicError>), (reason) => {
    expect(reason._tag).toBe("InvalidOption")
    return reason._tag === "InvalidOption" ? reason.field : undefined
  })

it.effect("a client needs nothing but a bootstrap node", () =>
  Effect.gen(function* () {
    expect(yield* settingsOf({ bootstraps: [node] })).toEqual({
      role: "client",
      bootstraps: [{ host: "192.0.2.1", port: 7842, publicKey: undefined, relay: undefined }],
      maxCandidates: 8,
      coordinationTimeoutMillis: 10_000,
      maxConcurrentAttempts: 3,
      allowPrivate: undefined,
      predictPorts: true,
      discoveryAlpn: "/iroh-qad/0"
    })
    expect((yield* settingsOf({}, serves)).role).toBe("server")
  })
)

it.effect.each([
  ["maxCandidates", "maxCandidates", 1, 256],
  ["coordinationTimeout", "coordinationTimeoutMillis", 100, 300_000]
] as const)("%s is from %d to %d", ([name, setting, minimum, maximum]) =>
  Effect.gen(function* () {
    for (const good of [minimum, maximum])
      expect((yield* settingsOf({ bootstraps: [node], [name]: good }))[setting]).toBe(good)
    for (const bad of [minimum - 1, maximum + 1, minimum - 0.5, "8", Number.NaN])
      expect(yield* refusedField({ bootstraps: [node], [name]: bad })).toBe(`traversal.${name}`)
  })
)

it.effect("attempts are 1 to 16, and not more than candidates", () =>
  Effect.gen(function* () {
    const field = "traversal.maxConcurrentAttempts"
    const limits = (maxConcurrentAttempts: number, maxCandidates: number) => ({
      bootstraps: [node],
      maxConcurrentAttempts,
      maxCandidates
    })
    for (const [attempts, candidates] of [
      [0, 8],
      [17, 256],
      [9, 8]
    ])
      expect(yield* refusedField(limits(attempts, candidates))).toBe(field)
    expect((yield* settingsOf(limits(16, 16))).maxConcurrentAttempts).toBe(16)
    // the default is no reason to refuse what was given
    expect((yield* settingsOf({ bootstraps: [node], maxCandidates: 2 })).maxConcurrentAttempts).toBe(2)
  })
)

it.effect("a client without a bootstrap node has to be able to use relays", () =>
  Effect.gen(function* () {
    expect(yield* refusedField({})).toBe("traversal.bootstraps")
    expect(yield* refusedField({ role: "client" }, serves)).toBe("traversal.bootstraps")
    expect((yield* settingsOf({}, { ...beside, usesRelays: true })).bootstraps).toEqual([])
  })
)

it.effect("a server and a bootstrap node accept connections", () =>
  Effect.gen(function* () {
    expect(yield* refusedField({ role: "server" })).toBe("server")
    expect(yield* refusedField({ role: "bootstrap" })).toBe("server")
    expect(yield* refusedField({ role: "bootstrap" }, { ...serves, serverAlpn: ["test"] })).toBe(
      "server.alpn"
    )
    expect(yield* refusedField({ role: "bootstrap", discoveryAlpn: "mine" }, serves)).toBe("server.alpn")
    expect((yield* settingsOf({ role: "bootstrap" }, serves)).role).toBe("bootstrap")
  })
)

it.effect("a bootstrap node has no relay to fall back on", () =>
  Effect.gen(function* () {
    expect(yield* refusedField({ role: "bootstrap" }, { ...serves, hasRelays: true })).toBe("relays")
  })
)

it.effect("bootstrap nodes are read in every notation", () =>
  Effect.gen(function* () {
    const given = [
      "relay.example",
      "relay.example:1",
      "[2001:db8::1]",
      "[2001:db8::1]:2",
      "2001:db8::2",
      { host: "2001:db8::2", port: 3 },
      { host: "192.0.2.2", publicKey: new Uint8Array(32) }
    ]
    const { bootstraps } = yield* settingsOf({ bootstraps: given })
    expect(bootstraps.map(({ host, port, publicKey }) => [host, port, publicKey?.length])).toEqual([
      ["relay.example", 7842, undefined],
      ["relay.example", 1, undefined],
      ["2001:db8::1", 7842, undefined],
      ["2001:db8::1", 2, undefined],
      ["2001:db8::2", 7842, undefined],
      ["2001:db8::2", 3, undefined],
      ["192.0.2.2", 7842, 32]
    ])
  })
)

it.effect.each([
  [["", ""], "traversal.bootstraps.0"],
  [["a:b"], "traversal.bootstraps.0"],
  [["[::1"], "traversal.bootstraps.0"],
  [[7], "traversal.bootstraps.0"],
  [["a:0"], "traversal.bootstraps.0.port"],
  [["a:65536"], "traversal.bootstraps.0.port"],
  [[node, { host: "b", port: 0 }], "traversal.bootstraps.1.port"],
  [[node, { host: "https://b" }], "traversal.bootstraps.1.host"],
  [[node, { port: 1 }], "traversal.bootstraps.1.host"],
  [[node, { host: "b", key: 1 }], "traversal.bootstraps.1.key"],
  [[node, { host: "b", publicKey: new Uint8Array(31) }], "traversal.bootstraps.1.publicKey"],
  [[node, node], "traversal.bootstraps.1"],
  [Array.from({ length: 17 }, (_, i) => `192.0.2.${i}`), "traversal.bootstraps"],
  ["192.0.2.1", "traversal.bootstraps"]
] as const)("%j is refused as %s", ([bootstraps, field]) =>
  Effect.gen(function* () {
    expect(yield* refusedField({ bootstraps })).toBe(field)
  })
)

it.effect.each([
  ["role", "peer"],
  ["allowPrivate", 1],
  ["predictPorts", "yes"],
  ["discoveryAlpn", ""],
  ["relayFallback", true]
] as const)("%s cannot be %j", ([name, value]) =>
  Effect.gen(function* () {
    expect(yield* refusedField({ bootstraps: [node], [name]: value })).toBe(`traversal.${name}`)
    expect(yield* refusedField(null)).toBe("traversal")
  })
)

it.effect("a relay that is a bootstrap node too is asked once, and beside the 16", () =>
  Effect.gen(function* () {
    const relayNodes = ["192.0.2.1", "192.0.2.99"].map((host) => ({
      host,
      port: 7842,
      publicKey: undefined,
      relay: `https://${host}/`
    }))
    const given = { bootstraps: Array.from({ length: 16 }, (_, i) => `192.0.2.${i + 1}`) }
    const { bootstraps } = yield* settingsOf(given, {
      ...beside,
      hasRelays: true,
      usesRelays: true,
      relayNodes
    })
    expect(bootstraps.map(({ host, relay }) => [host, relay]).filter(([, relay]) => relay)).toEqual([
      ["192.0.2.1", "https://192.0.2.1/"],
      ["192.0.2.99", "https://192.0.2.99/"]
    ])
    expect(bootstraps).toHaveLength(17)
  })
)

it.effect("relays are URLs, or records of one and where it tells addresses", () =>
  Effect.gen(function* () {
    const url = "https://relay.example.org"
    expect(yield* relayPlaces([url, { url: "http://[::1]:3340", discoveryPort: 1 }])).toEqual([
      { url: "https://relay.example.org/", discoveryPort: 7842 },
      { url: "http://[::1]:3340/", discoveryPort: 1 }
    ])
    const places = yield* relayPlaces([
      { url, discoveryPort: false },
      `${url}:444`,
      `${url}/else`,
      "http://[::1]/"
    ])
    // one host tells one address
    expect(discoveryNodes(places).map(({ host, relay }) => [host, relay])).toEqual([
      ["relay.example.org", "https://relay.example.org:444/"],
      ["::1", "http://[::1]/"]
    ])
  })
)

it.effect.each([
  ["https://a", "relays"],
  [[7], "relays.0"],
  [["https://a", { url: "ftp://a" }], "relays.1.url"],
  [[{ discoveryPort: 1 }], "relays.0.url"],
  [[{ url: "https://a", discoveryPort: 0 }], "relays.0.discoveryPort"],
  [[{ url: "https://a", discoveryPort: 65_536 }], "relays.0.discoveryPort"],
  [[{ url: "https://a", discoveryPort: true }], "relays.0.discoveryPort"],
  [[{ url: "https://a", port: 1 }], "relays.0.port"],
  [["https://a", { url: "https://A/" }], "relays.1"],
  [Array.from({ length: 9 }, (_, i) => `https://a${i}`), "relays"]
] as const)("%j is refused as %s", ([relays, field]) =>
  Effect.gen(function* () {
    expect(yield* reasonOf(relayPlaces(relays))).toMatchObject({ _tag: "InvalidOption", field })
  })
)

simulated.it("an endpoint is not made with options that are wrong", (world) =>
  Effect.gen(function* () {
    const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
    const server = { alpn: ["test"], identity }
    const make = (options: object) => reasonOf(makeEndpoint(world.client, Trust.layerRawKeys([]), options))
    expect(yield* make({ traversal: {} })).toMatchObject({ field: "traversal.bootstraps" })
    expect(yield* make({ traversal: { role: "bootstrap" }, server })).toMatchObject({ field: "server.alpn" })
    expect(yield* make({ traversal: { maxCandidates: 0 }, server })).toMatchObject({
      field: "traversal.maxCandidates"
    })
  })
)
