import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import type { VersionName } from "../../src/connection/ConnectionConfig.ts"
import { VersionChoice } from "../../src/connection/VersionChoice.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, PacketType, Version } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import type { TransportParameters } from "../../src/wire/TransportParameters.ts"
import { parseVersionNegotiation, writeVersionNegotiation } from "../../src/wire/versionPackets.ts"
import { CorePair, type CorePairOptions } from "./CorePair.ts"
import { Duel } from "./Duel.ts"

const { v1, v2 } = Version
const VERSION_NEGOTIATION_ERROR = TransportErrorCode.VERSION_NEGOTIATION_ERROR

/** The packets a pair has exchanged, as `client Initial v1`. */
const packets = (pair: CorePair): Array<string> => {
  const header = new PacketHeader()
  const names = Object.keys(PacketType)
  return pair.datagrams.flatMap(({ to, bytes }) => {
    const lines: Array<string> = []
    for (let at = 0; parsePacketHeader(bytes, at, bytes.length, 8, header, true); at = header.end)
      if (header.type !== PacketType.OneRtt)
        lines.push(
          `${to === "server" ? "client" : "server"} ${names[header.type]} ${header.version === v1 ? "v1" : header.version === v2 ? "v2" : header.version}`
        )
    return lines
  })
}

const handshake = (
  client: ReadonlyArray<VersionName> | undefined,
  server: ReadonlyArray<VersionName> | undefined,
  options: CorePairOptions = {}
): CorePair =>
  new CorePair({
    ...options,
    client: { ...options.client, ...(client && { versions: client }) },
    server: { ...options.server, ...(server && { versions: server }) }
  }).exchange()

const expectVersion = (pair: CorePair, version: Version): void => {
  expect(pair.client.closeReason).toBeUndefined()
  for (const connection of [pair.client, pair.server!]) {
    expect(connection.handshake.confirmed).toBe(true)
    expect(connection.versions.negotiated).toBe(version)
  }
}

const expectData = (pair: CorePair): void => {
  const id = pair.client.streams.open(false)
  pair.client.streams.write(id, Uint8Array.of(1, 2, 3))
  pair.exchange()
  expect(pair.server!.streams.read(id, 10)).toEqual(Uint8Array.of(1, 2, 3))
}

describe("versions", () => {
  it("by default a client uses version 1, and a server accepts it", () => {
    const pair = handshake(undefined, undefined)
    expectVersion(pair, v1)
    expect(packets(pair).filter((line) => !line.endsWith("v1"))).toEqual([])
  })

  it("a client that starts with version 2 stays with it", () => {
    const pair = handshake(["v2"], undefined)
    expectVersion(pair, v2)
    expect(packets(pair).filter((line) => !line.endsWith("v2"))).toEqual([])
    expectData(pair)
  })

  it("a client that also offers version 2 is switched to it without a round trip", () => {
    const pair = handshake(["v1", "v2"], undefined)
    expectVersion(pair, v2)
    const seen = packets(pair)
    // RFC 9369 §4.1: only the first flight, and answers sent before it was complete, use version 1
    expect(seen[0]).toBe("client Initial v1")
    expect(seen.filter((line) => line.includes("Handshake") && line.endsWith("v1"))).toEqual([])
    expect(seen).toContain("server Initial v2")
    expect(seen.some((line) => line.includes("VersionNegotiation"))).toBe(false)
    expectData(pair)
  })

  it("the switch also works the other way", () => {
    const pair = handshake(["v2", "v1"], ["v1", "v2"])
    expectVersion(pair, v1)
    expectData(pair)
  })

  it("a HelloRetryRequest already uses the negotiated version", () => {
    const pair = handshake(["v1", "v2"], undefined, {
      clientGroups: [NamedGroup.x25519, NamedGroup.secp256r1],
      serverGroups: [NamedGroup.secp256r1]
    })
    expectVersion(pair, v2)
    const seen = packets(pair)
    const initials = seen.filter((line) => line.includes("server Initial"))
    expect(initials.every((line) => line === "server Initial v2")).toBe(true)
    // the second ClientHello follows the server
    expect(seen.filter((line) => line.startsWith("client Initial")).at(-1)).toBe("client Initial v2")
  })

  // ngtcp2 and picoquic choose a version when they answer the second ClientHello
  it("a HelloRetryRequest may still use the first flight's version, with the rest in the negotiated one", () => {
    const pair = new CorePair({
      client: { versions: ["v2", "v1"], originalVersion: "v1" },
      clientGroups: [NamedGroup.x25519MlKem768, NamedGroup.secp256r1],
      serverGroups: [NamedGroup.secp256r1],
      between: (datagram) => {
        // a ClientHello of two datagrams: the connection exists before the server has chosen a version
        if (pair.server !== undefined && !isLate) {
          isLate = true
          const { versions } = pair.server
          const choose = versions.choose.bind(versions)
          let asked = 0
          versions.choose = (offered) => (++asked > 1 ? choose(offered) : undefined)
        }
        return datagram
      }
    })
    let isLate = false
    expectVersion(pair.exchange(), v2)
    const servers = packets(pair).filter((line) => line.startsWith("server Initial"))
    expect(servers).toContain("server Initial v1")
    expect(servers.at(-1)).toBe("server Initial v2")
    expectData(pair)
  })

  it("a client may start with one version and prefer another: the server learns that", () => {
    const begun = { versions: ["v2", "v1"], originalVersion: "v1" } as const
    for (const [server, expected] of [
      [undefined, v2],
      [["v2"], v2],
      [["v1"], v1]
    ] as const) {
      const pair = handshake(begun.versions, server, { client: begun })
      expectVersion(pair, expected)
      expect(packets(pair)[0]).toBe("client Initial v1")
      // RFC 9368 §2.1: a server that does not know the first flight's version makes the client restart
      const isNegotiated = server?.join() === "v2"
      expect(pair.client.versions.restarted).toBe(isNegotiated)
      // RFC 9368 §3: in order of preference
      expect(pair.server!.handshake.peerParameters?.versionInformation).toEqual({
        chosen: isNegotiated ? v2 : v1,
        available: [v2, v1]
      })
      expectData(pair)
    }
  })

  it("a Retry uses the first flight's version, to which the token is bound", () => {
    const pair = handshake(["v1", "v2"], undefined, { retry: "always" })
    expectVersion(pair, v2)
    const seen = packets(pair)
    expect(seen).toContain("server Retry v1")
    // RFC 9369 §4.1: nor does the client change it when it returns with the token
    expect(seen[seen.lastIndexOf("server Retry v1") + 1]).toBe("client Initial v1")
    expect(seen).not.toContain("server Retry v2")
    expectVersion(handshake(["v2"], undefined, { retry: "always" }), v2)
  })

  it("keys are updated in version 2 as well", () => {
    const pair = handshake(["v1", "v2"], undefined)
    expectData(pair)
    pair.client.updateKeys()
    expectData(pair)
    pair.advance(2_000_000)
    expectData(pair)
    expect(pair.server!.keys.phases.updates).toBe(1)
  })

  it("a switch survives the loss of any one datagram of the handshake", () => {
    for (let lost = 0; lost < 8; lost++) {
      let count = 0
      const pair = handshake(["v1", "v2"], undefined, {
        between: (datagram) => (count++ === lost ? undefined : datagram)
      })
      pair.advance(3_000_000)
      expectVersion(pair, v2)
    }
  })

  it("Handshake packets that overtake the Initial are buffered until the switch is known", () => {
    const held: Array<Uint8Array> = []
    let overtaken = 0
    const header = new PacketHeader()
    const pair = new CorePair({
      client: { versions: ["v1", "v2"] },
      between: (datagram, to) => {
        if (to === "server") return datagram
        let at = 0
        for (; parsePacketHeader(datagram, at, datagram.length, 8, header, true); at = header.end)
          if (header.type !== PacketType.Initial) break
        if (at > 0) held.push(datagram.slice(0, at))
        if (at === datagram.length) return undefined
        overtaken++
        return datagram.slice(at)
      }
    }).exchange()
    expect(overtaken).toBeGreaterThan(0)
    expect(pair.client.versions.negotiated).toBe(v1)
    for (const datagram of held) pair.deliver("client", datagram)
    expectVersion(pair.exchange(), v2)
  })
})

describe("Version Negotiation", () => {
  it("a server that does not support the client's version lists its own, and a reserved one", () => {
    const pair = handshake(["v2"], ["v1"])
    const { bytes } = pair.datagrams.find(({ to }) => to === "client")!
    const header = new PacketHeader()
    parsePacketHeader(bytes, 0, bytes.length, 8, header)
    const [reserved, ...real] = parseVersionNegotiation(bytes, header)!
    expect(real).toEqual([v1])
    expect((reserved & 0x0f0f0f0f) >>> 0).toBe(0x0a0a0a0a) // RFC 9000 §6.3
    expect(pair.client.closeReason?.origin).toBe("versionNegotiation")
    expect(pair.client.firstFlight!.offeredVersions).toEqual([reserved, v1])
  })

  it("the client restarts with a version both support", () => {
    const pair = handshake(["v2", "v1"], ["v1"])
    expectVersion(pair, v1)
    expect(pair.client.versions.restarted).toBe(true)
    const first = packets(pair)
    expect(first[0]).toBe("client Initial v2")
    expect(first).toContain("server VersionNegotiation 0")
    expectData(pair)
  })

  it("is ignored when it lists the version the client used, or is for another connection", () => {
    for (const wrong of ["listed", "id"] as const) {
      const pair = new CorePair({ client: { versions: ["v2", "v1"] } })
      const { originalDestination } = pair.client.handshake.ids
      const id = wrong === "id" ? Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) : originalDestination
      const listed = wrong === "listed" ? [v1, v2] : [v1]
      pair.deliver(
        "client",
        writeVersionNegotiation(pair.client.parts.localInitialId, id, listed, (n) => new Uint8Array(n))
      )
      expect(pair.client.versions.restarted).toBe(false)
      expectVersion(pair.exchange(), v2)
    }
  })

  it("a forged one that hides the preferred version is detected in the handshake", () => {
    const pair = new CorePair({ client: { versions: ["v2", "v1"] } })
    const { originalDestination } = pair.client.handshake.ids
    pair.deliver(
      "client",
      writeVersionNegotiation(
        pair.client.parts.localInitialId,
        originalDestination,
        [v1],
        (n) => new Uint8Array(n)
      )
    )
    expect(pair.client.versions.original).toBe(v1)
    pair.exchange()
    expect(pair.client.closeReason).toMatchObject({ origin: "local", code: VERSION_NEGOTIATION_ERROR })
  })

  // RFC 9000 §6.2 #2
  it("is acted on once", () => {
    const pair = new CorePair({ client: { versions: ["v2", "v1"] } })
    const forged = (versions: ReadonlyArray<number>) =>
      writeVersionNegotiation(
        pair.client.parts.localInitialId,
        pair.client.handshake.ids.originalDestination,
        versions,
        (n) => new Uint8Array(n)
      )
    pair.deliver("client", forged([v1]))
    pair.deliver("client", forged([v2]))
    expect(pair.client.versions.original).toBe(v1)
    expect(pair.client.closeReason).toBeUndefined()
  })
})

describe("version_information", () => {
  const against = (
    victim: Role,
    versionInformation: NonNullable<TransportParameters["versionInformation"]>
  ) =>
    new Duel({ victim, puppet: { parameters: (honest) => ({ ...honest, versionInformation }) } }).exchange()

  it("of a client that differs from its packets' version is rejected", () => {
    const { connection } = against("server", { chosen: v2, available: [v2, v1] })
    expect(connection.closeReason).toMatchObject({ code: VERSION_NEGOTIATION_ERROR })
  })

  it("of a server that differs from its packets' version is rejected", () => {
    const { connection } = against("client", { chosen: v2, available: [v2, v1] })
    expect(connection.closeReason).toMatchObject({ code: VERSION_NEGOTIATION_ERROR })
  })

  it("of a server may contain unknown versions", () => {
    const { connection } = against("client", { chosen: v1, available: [0x1a2a3a4a, v1] })
    expect(connection.lifecycle.state).toBe("established")
  })

  it("may be missing if only version 1 was involved", () => {
    expect(new Duel({ victim: "client" }).shakeHands().connection.versions.negotiated).toBe(v1)
    expect(new Duel({ victim: "server" }).shakeHands().connection.versions.negotiated).toBe(v1)
  })

  const client = (...supported: ReadonlyArray<Version>) =>
    new VersionChoice("client", supported, supported[0])

  it("may be missing after Version Negotiation only if that led to version 1", () => {
    const toV1 = client(v2, v1)
    toV1.restart([v1])
    expect(toV1.check(undefined)).toBeUndefined()
    const toV2 = client(v1, v2)
    toV2.restart([v2])
    expect(toV2.check(undefined)).toMatchObject({ code: VERSION_NEGOTIATION_ERROR })
    expect(toV2.check({ chosen: v2, available: [] })).toMatchObject({ code: VERSION_NEGOTIATION_ERROR })
    expect(toV2.check({ chosen: v2, available: [v2] })).toBeUndefined()
  })

  it("must confirm a switch", () => {
    const switched = client(v1, v2)
    switched.learn(v2)
    expect(switched.check(undefined)).toMatchObject({ code: VERSION_NEGOTIATION_ERROR })
    expect(switched.check({ chosen: v1, available: [v1] })).toMatchObject({ code: VERSION_NEGOTIATION_ERROR })
    expect(switched.check({ chosen: v2, available: [v2] })).toBeUndefined()
  })

  it("0-RTT stays with the version of the first flight", () => {
    const server = new VersionChoice("server", [v2, v1], v1)
    server.choose({ chosen: v1, available: [v1, v2] })
    expect(server.ofLevel(Level.ZeroRtt)).toBe(v1)
    expect(server.ofLevel(Level.Handshake)).toBe(v2)
    expect(server.admits(PacketType.ZeroRtt, v2)).toBe(false)
    expect(server.admits(PacketType.Handshake, v1)).toBe(false)
    expect(server.admits(PacketType.Initial, v1)).toBe(true)
  })
})

describe("the QUIC bit", () => {
  const shortHeaders = (pair: CorePair, to: Role): Array<number> =>
    pair.datagrams
      .filter((each) => each.to === to && (each.bytes[0] & 0x80) === 0)
      .map(({ bytes }) => bytes[0] & 0x40)

  it("is random in both directions once both have declared that they ignore it", () => {
    const pair = handshake(undefined, undefined)
    for (let i = 0; i < 20; i++) expectData(pair)
    for (const to of ["client", "server"] as const)
      expect(new Set(shortHeaders(pair, to))).toEqual(new Set([0, 0x40]))
  })

  it("is set until the peer's parameters are known", () => {
    const pair = handshake(undefined, undefined)
    const initials = pair.datagrams.filter(({ to, bytes }) => to === "server" && (bytes[0] & 0xf0) === 0xc0)
    expect(initials.length).toBeGreaterThan(0)
    expect(pair.datagrams[0].bytes[0] & 0x40).toBe(0x40)
  })

  it("stays set towards a peer that did not declare so, which may clear it all the same", () => {
    const duel = new Duel({ victim: "server" }).shakeHands()
    expect(duel.connection.parts.greasesBit).toBe(false)
    const ping = duel.puppet.packet(Level.OneRtt, Uint8Array.of(1), { firstByte: (honest) => honest & ~0x40 })
    expect(ping[0] & 0x40).toBe(0)
    const before = duel.connection.receiver.counters.received
    duel.inject(ping)
    expect(duel.connection.receiver.counters.received).toBe(before + 1)
  })
})
