import type { Role } from "../../src/wire/Role.ts"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { describe, expect, it } from "vitest"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import { Extension } from "../../src/handshake/extensions.ts"
import type { SessionTicket } from "../../src/capability/TicketStore.ts"
import {
  decodeSessionTicket,
  encodeSessionTicket,
  MAX_TICKET_LIFETIME_SECONDS
} from "../../src/handshake/SessionTicket.ts"
import type {
  EarlyDataRequest,
  ServerResumption,
  TlsClientConfig,
  TlsServerConfig
} from "../../src/handshake/TlsSession.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import {
  bytes,
  extensionsOf,
  flipped,
  Type,
  u16,
  withBody,
  withExtension,
  withExtensions,
  withoutExtension
} from "./surgery.ts"
import { ascii, identity, onMessage, type PairOptions, shake, TlsPair } from "./TlsPair.ts"

const none = new Uint8Array(0)
const start = Date.UTC(2026, 0, 1)
const day = 86_400_000

/** A server's tickets, sealed with their own key, and a clock. */
class TicketIssuer {
  now = start
  lifetime = 2 * 86_400
  readonly requests: Array<EarlyDataRequest> = []
  accept: ((request: EarlyDataRequest) => boolean) | undefined = undefined
  private readonly key = randomBytes(16)

  server(wish: Partial<TlsServerConfig> = {}): Partial<TlsServerConfig> {
    const { accept } = this
    const resumption: ServerResumption = {
      nowMillis: () => this.now,
      ticketLifetimeSeconds: this.lifetime,
      sealTicket: (plaintext) => {
        const nonce = randomBytes(12)
        const cipher = createCipheriv("aes-128-gcm", this.key, nonce)
        return bytes(nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
      },
      openTicket: (sealed) => {
        if (sealed.length < 28) return undefined
        const decipher = createDecipheriv("aes-128-gcm", this.key, sealed.subarray(0, 12))
        decipher.setAuthTag(sealed.subarray(-16))
        try {
          return bytes(decipher.update(sealed.subarray(12, -16)), decipher.final())
        } catch {
          return undefined
        }
      },
      ...(accept && {
        acceptEarlyData: (request) => {
          this.requests.push(request)
          return accept(request)
        }
      })
    }
    return { resumption, ...wish }
  }

  client(ticket?: SessionTicket, wish: Partial<TlsClientConfig> = {}): Partial<TlsClientConfig> {
    return {
      resumption: { nowMillis: () => this.now, ticket, earlyData: this.accept !== undefined },
      ...wish
    }
  }

  first(options: PairOptions = {}): SessionTicket {
    const pair = shake({
      ...options,
      client: this.client(undefined, options.client),
      server: this.server(options.server)
    })
    return pair.client.one("ticket")!.ticket
  }

  /** A second handshake, with a ticket from a first one. */
  again(ticket: SessionTicket, options: PairOptions = {}): TlsPair {
    return shake({
      ...options,
      client: this.client(ticket, options.client),
      server: this.server(options.server)
    })
  }
}

const messagesOf = (pair: TlsPair) => pair.sent.map(({ from, bytes }) => `${from} ${bytes[0]}`)

const expectResumed = (pair: TlsPair) => {
  expect(pair.client.facts?.resumed).toBe(true)
  expect(pair.server.facts?.resumed).toBe(true)
  expect(pair.client.secret(Level.OneRtt, "write")).toBe(pair.server.secret(Level.OneRtt, "read"))
  expect(pair.client.secret(Level.OneRtt, "read")).toBe(pair.server.secret(Level.OneRtt, "write"))
}

const expectFull = (pair: TlsPair) => {
  expect(pair.client.facts?.resumed).toBe(false)
  expect(pair.server.facts?.resumed).toBe(false)
}

describe("tickets", () => {
  // RFC 9001 §4.6.1 #1
  it("are issued in pairs after the handshake, each with its own secret", () => {
    const issuer = new TicketIssuer()
    const { client, server } = shake({ client: issuer.client(), server: issuer.server() })
    const tickets = client.all("ticket").map(({ ticket }) => ticket)
    expect(tickets).toHaveLength(2)
    expect(tickets[0].secret).not.toEqual(tickets[1].secret)
    expect(tickets[0].ageAdd).not.toBe(tickets[1].ageAdd)
    expect(tickets[0]).toMatchObject({
      alpn: "test",
      serverName: "example.org",
      cipherSuite: 0x1301,
      lifetimeSeconds: issuer.lifetime,
      issuedAtMillis: start,
      earlyData: false,
      transportParameters: ascii("server parameters"),
      peer: { _tag: "x509", chain: identity().chain }
    })
    expect(client.events.at(-1)!._tag).toBe("ticket")
    expect(server.all("ticket")).toEqual([])
  })

  it("are sent only to clients that want them, and stored only by those", () => {
    const issuer = new TicketIssuer()
    const unwanted = shake({ server: issuer.server() })
    expect(messagesOf(unwanted)).not.toContain(`server ${Type.newSessionTicket}`)
    const none_ = shake({ client: issuer.client() })
    expect(none_.client.all("ticket")).toEqual([])
  })

  it("live at most seven days, whatever the server says", () => {
    const issuer = new TicketIssuer()
    issuer.lifetime = 30 * 86_400
    expect(issuer.first().lifetimeSeconds).toBe(MAX_TICKET_LIFETIME_SECONDS)
    const meddle = onMessage("server", Type.newSessionTicket, (m) => {
      const copy = m.slice()
      copy.fill(0xff, 4, 8)
      return copy
    })
    expect(issuer.first({ meddle }).lifetimeSeconds).toBe(MAX_TICKET_LIFETIME_SECONDS)
  })

  it("with a lifetime of zero are dropped", () => {
    const issuer = new TicketIssuer()
    const meddle = onMessage("server", Type.newSessionTicket, (m) => {
      const copy = m.slice()
      copy.fill(0, 4, 8)
      return copy
    })
    const pair = shake({ client: issuer.client(), server: issuer.server(), meddle })
    expect(pair.client.all("ticket")).toEqual([])
    expect(pair.client.alert).toBeUndefined()
  })

  it("are ignored beyond sixteen", () => {
    const issuer = new TicketIssuer()
    const meddle = onMessage("server", Type.newSessionTicket, (m) => Array.from({ length: 40 }, () => m))
    const pair = shake({ client: issuer.client(), server: issuer.server(), meddle })
    expect(pair.client.all("ticket")).toHaveLength(16)
    expect(pair.client.alert).toBeUndefined()
  })

  it("that are malformed fail the connection", () => {
    const issuer = new TicketIssuer()
    const on = (change: (m: Uint8Array) => Uint8Array) =>
      shake({
        client: issuer.client(),
        server: issuer.server(),
        meddle: onMessage("server", Type.newSessionTicket, change)
      }).client.one("failed")
    expect(on((m) => withBody(m, bytes(m.subarray(4), Uint8Array.of(0))))!.alert).toBe(Alert.decode_error)
    expect(on((m) => withBody(m, m.subarray(4, 20)))!.alert).toBe(Alert.decode_error)
    expect(on((m) => withBody(m, bytes(m.subarray(4, 13), u16(0), u16(0))))!.alert).toBe(Alert.decode_error)
    expect(on((m) => withExtension(m, Extension.alpn, none))!.alert).toBe(Alert.illegal_parameter)
    expect(on((m) => withExtension(m, Extension.early_data, u16(1)))!.alert).toBe(Alert.decode_error)
    expect(on((m) => withExtension(m, 0xfafa, none))).toBeUndefined()
    // RFC 9001 §4.6.1 #2
    expect(on((m) => withExtension(m, Extension.early_data, Uint8Array.of(0, 1, 0, 0)))!.code).toBe(
      TransportErrorCode.PROTOCOL_VIOLATION
    )
  })

  it("above 4 kB are ignored, and a later one is kept", () => {
    const issuer = new TicketIssuer()
    const sized = (size: number) => (m: Uint8Array) =>
      // lifetime, age_add, a nonce of one byte, the ticket, no extensions
      withBody(m, bytes(m.subarray(4, 14), u16(size), new Uint8Array(size).fill(7), u16(0)))
    for (const [size, kept] of [
      [4096, true],
      [4097, false],
      [60_000, false]
    ] as const) {
      const meddle = onMessage("server", Type.newSessionTicket, (m) => [
        ...Array<Uint8Array>(20).fill(sized(size)(m)),
        m
      ])
      const { client } = shake({ client: issuer.client(), server: issuer.server(), meddle })
      expect(client.alert).toBeUndefined()
      expect(client.all("ticket").some(({ ticket }) => ticket.identity.length === size)).toBe(kept)
      if (!kept) expect(client.all("ticket")).toHaveLength(2)
    }
  })

  it("too large for a ClientHello are not issued", () => {
    const issuer = new TicketIssuer()
    const chain = [...identity("rsa").chain, new Uint8Array(3000)]
    const pair = shake({
      client: issuer.client(undefined, { identity: { ...identity("rsa"), chain } }),
      server: issuer.server({ requestClientCertificate: "require" })
    })
    expect(pair.server.facts).toBeDefined()
    expect(pair.client.all("ticket")).toEqual([])
  })

  it("survive serialization", () => {
    const x509 = new TicketIssuer().first()
    const raw: SessionTicket = {
      ...x509,
      serverName: undefined,
      earlyData: true,
      peer: { _tag: "rawPublicKey", spki: ascii("a key") }
    }
    for (const ticket of [x509, raw, { ...x509, peer: undefined }]) {
      const written = encodeSessionTicket(ticket)
      expect(decodeSessionTicket(written)).toEqual(ticket)
      for (let length = 0; length < written.length; length++)
        expect(() => decodeSessionTicket(written.subarray(0, length))).not.toThrow()
      expect(decodeSessionTicket(written.subarray(0, 40))).toBeUndefined()
      expect(decodeSessionTicket(bytes(Uint8Array.of(9), written.subarray(1)))).toBeUndefined()
    }
  })
})

describe("a session", () => {
  for (const cipher of [0x1301, 0x1302, 0x1303])
    for (const group of [NamedGroup.x25519, NamedGroup.secp384r1, NamedGroup.x25519MlKem768])
      it(`is resumed under cipher suite 0x${cipher.toString(16)} and group ${group}, without certificates`, () => {
        const issuer = new TicketIssuer()
        const client = { cipherSuites: [cipher], groups: [group] }
        const ticket = issuer.first({ client })
        issuer.now += 3_600_000
        const pair = issuer.again(ticket, { client })
        expectResumed(pair)
        expect(messagesOf(pair).slice(0, 5)).toEqual([
          "client 1",
          "server 2",
          "server 8",
          "server 20",
          "client 20"
        ])
        expect(pair.client.facts).toMatchObject({
          peer: ticket.peer,
          signatureScheme: undefined,
          earlyData: "none"
        })
      })

  it("is resumed with its cipher suite though the server would now choose another", () => {
    const issuer = new TicketIssuer()
    const ticket = issuer.first({ server: { cipherSuites: [0x1302] } })
    const pair = issuer.again(ticket)
    expectResumed(pair)
    expect(pair.client.facts!.cipherSuite).toBe(0x1302)
  })

  it("can be resumed again and again from new tickets", () => {
    const issuer = new TicketIssuer()
    let ticket = issuer.first()
    for (let i = 0; i < 3; i++) {
      const pair = issuer.again(ticket)
      expectResumed(pair)
      // in place of the one that was used
      expect(pair.client.all("ticket")).toHaveLength(1)
      ticket = pair.client.one("ticket")!.ticket
      expect(ticket.peer).toEqual({ _tag: "x509", chain: identity().chain })
    }
  })

  it("is resumed through a HelloRetryRequest", () => {
    const issuer = new TicketIssuer()
    const client = { groups: [NamedGroup.x25519, NamedGroup.secp256r1] }
    const server = { groups: [NamedGroup.secp256r1] }
    const ticket = issuer.first({ client, server })
    const pair = issuer.again({ ...ticket, group: NamedGroup.x25519 }, { client, server })
    expectResumed(pair)
    expect(messagesOf(pair).filter((name) => name === "client 1")).toHaveLength(2)
  })

  it("needs none for the group used before", () => {
    const issuer = new TicketIssuer()
    const client = { groups: [NamedGroup.x25519, NamedGroup.secp256r1] }
    const server = { groups: [NamedGroup.secp256r1] }
    const pair = issuer.again(issuer.first({ client, server }), { client, server })
    expectResumed(pair)
    expect(messagesOf(pair).filter((name) => name === "client 1")).toHaveLength(1)
    expect(pair.client.facts!.group).toBe(NamedGroup.secp256r1)
  })

  it("with another application protocol is still resumed", () => {
    const issuer = new TicketIssuer()
    const pair = issuer.again(issuer.first(), { client: { alpn: ["other"] }, server: { alpn: ["other"] } })
    expectResumed(pair)
    expect(pair.client.facts!.alpn).toBe("other")
  })

  it("has its peer verified once, before a byte is sent", () => {
    const issuer = new TicketIssuer()
    const ticket = issuer.first()
    const { client, server } = new TlsPair({ client: issuer.client(ticket), server: issuer.server() })
    client.session.start()
    expect(client.session.pollOutput()).toBeUndefined()
    expect(client.session.pollEvent()).toMatchObject({
      _tag: "verifyPeer",
      peer: ticket.peer,
      serverName: "example.org"
    })
    expect(client.session.pollEvent()).toBeUndefined()
    client.session.handleVerdict({ ok: true })
    const hello = client.session.pollOutput()!
    expect(new Map(extensionsOf(hello.bytes)).has(Extension.pre_shared_key)).toBe(true)
    server.session.handleCrypto(hello.level, hello.bytes)
    expect(issuer.again(ticket).client.all("verifyPeer")).toHaveLength(1)
  })

  it("names its certificate type to a client that accepts only raw keys, as rustls clients require", () => {
    const issuer = new TicketIssuer()
    const options: PairOptions = {
      client: { identity: identity("ed25519", "rawPublicKey"), peerCertificateTypes: ["rawPublicKey"] },
      server: {
        selectIdentity: () => identity("ed25519", "rawPublicKey"),
        requestClientCertificate: "require",
        peerCertificateTypes: ["rawPublicKey"]
      }
    }
    const pair = issuer.again(issuer.first(options), options)
    expectResumed(pair)
    const extensions = new Map(
      extensionsOf(pair.sent.find(({ bytes }) => bytes[0] === Type.encryptedExtensions)!.bytes)
    )
    expect(extensions.get(Extension.server_certificate_type)).toEqual(Uint8Array.of(2))
    expect(extensions.get(Extension.client_certificate_type)).toEqual(Uint8Array.of(2))
  })

  it("keeps the client's authentication, verified again before a byte is sent", () => {
    const issuer = new TicketIssuer()
    const raw = identity("ed25519", "rawPublicKey")
    const options: PairOptions = {
      client: { identity: raw },
      server: { requestClientCertificate: "require", peerCertificateTypes: ["rawPublicKey"] }
    }
    const ticket = issuer.first(options)
    const pair = issuer.again(ticket, options)
    expectResumed(pair)
    expect(pair.server.facts!.peer).toEqual({ _tag: "rawPublicKey", spki: raw.key.spki })
    const barred = issuer.again(ticket, {
      ...options,
      verdict: (judge) =>
        judge === "server" ? { ok: false, alert: Alert.access_denied, reason: "barred since" } : { ok: true }
    })
    expect(barred.server.alert).toBe(Alert.access_denied)
    expect(barred.server.all("verifyPeer")).toHaveLength(2)
    expect(barred.server.secret(Level.OneRtt, "read")).toBeUndefined()
  })
})

describe("it falls back to a full handshake", () => {
  const issuer = new TicketIssuer()
  const ticket = issuer.first()
  const instead = (name: string, make: () => TlsPair) => it(name, () => expectFull(make()))

  /** Rejects the first request from `who`. */
  const refusingFirst = (who: Role): NonNullable<PairOptions["verdict"]> => {
    let asked = 0
    return (judge) =>
      judge === who && ++asked === 1
        ? { ok: false, alert: Alert.certificate_expired, reason: "too old now" }
        : { ok: true }
  }

  it("when the client rejects the ticket's server, and does not offer the ticket", () => {
    const pair = issuer.again(ticket, { verdict: refusingFirst("client") })
    expectFull(pair)
    expect(pair.client.all("verifyPeer")).toHaveLength(2)
    expect(new Map(extensionsOf(pair.sent[0].bytes)).has(Extension.pre_shared_key)).toBe(false)
  })
  it("when the server rejects the ticket's client, which then authenticates as someone else", () => {
    const raw = identity("ed25519", "rawPublicKey")
    for (const cipherSuites of [[0x1301], [0x1302, 0x1301]]) {
      const client = { identity: raw }
      const server = { requestClientCertificate: "require", peerCertificateTypes: ["rawPublicKey"] } as const
      const proven = issuer.first({ client: { ...client, cipherSuites: [0x1301] }, server })
      const pair = issuer.again(proven, {
        client: { ...client, cipherSuites },
        server: { ...server, cipherSuites },
        verdict: refusingFirst("server")
      })
      expectFull(pair)
      expect(pair.server.facts!.cipherSuite).toBe(cipherSuites[0])
      expect(pair.server.facts!.peer).toEqual({ _tag: "rawPublicKey", spki: raw.key.spki })
    }
  })
  instead("when the server cannot open the ticket", () => new TicketIssuer().again(ticket))
  instead("when the opened content is not a ticket", () =>
    issuer.again(ticket, {
      server: { resumption: { ...issuer.server().resumption!, openTicket: () => Uint8Array.of(1, 2, 3) } }
    })
  )
  instead("when the server resumes nothing", () => shake({ client: issuer.client(ticket) }))
  instead("when the server no longer uses the cipher suite", () =>
    issuer.again(ticket, { server: { cipherSuites: [0x1302, 0x1303] } })
  )
  instead("when the client no longer uses the cipher suite", () =>
    issuer.again(ticket, { client: { cipherSuites: [0x1303] } })
  )
  instead("when the client connects to another server", () =>
    issuer.again(ticket, { client: { serverName: "example.com" } })
  )
  it("when a store returns a ticket above 4 kB, which is not offered", () => {
    const pair = issuer.again({ ...ticket, identity: new Uint8Array(4097) })
    expectFull(pair)
    expect(extensionsOf(pair.sent[0].bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
  })
  it("and the ticket is not even offered to another server", () => {
    const { sent } = issuer.again(ticket, { client: { serverName: "example.com" } })
    expect(extensionsOf(sent[0].bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
  })
  instead("when the client offers the ticket to another server all the same", () =>
    issuer.again({ ...ticket, serverName: "example.com" }, { client: { serverName: "example.com" } })
  )
  instead("when the client offers the ticket but not its cipher suite", () =>
    issuer.again({ ...ticket, cipherSuite: 0x1303 }, { client: { cipherSuites: [0x1303] } })
  )
  instead("when a HelloRetryRequest has already named another cipher suite", () => {
    const chacha = issuer.first({ client: { cipherSuites: [0x1303] } })
    const resumption = issuer.server().resumption!
    let shown = 0
    const pair = issuer.again(chacha, {
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
      server: {
        groups: [NamedGroup.secp256r1],
        resumption: {
          ...resumption,
          openTicket: (t) => (++shown === 1 ? undefined : resumption.openTicket(t))
        }
      }
    })
    expect(shown).toBe(2)
    expect(pair.client.facts!.cipherSuite).toBe(0x1301)
    return pair
  })
  instead("when the client no longer accepts the server's certificate type", () =>
    issuer.again(ticket, {
      client: { peerCertificateTypes: ["rawPublicKey"] },
      server: { selectIdentity: () => identity("ed25519", "rawPublicKey") }
    })
  )
  instead("when the client must now provide a certificate", () =>
    issuer.again(ticket, {
      client: { identity: identity() },
      server: { requestClientCertificate: "require" }
    })
  )
  instead("when the client may no longer provide a certificate", () => {
    const options = {
      client: { identity: identity("ed25519") },
      server: { requestClientCertificate: "request" as const }
    }
    const proven = issuer.first(options)
    return issuer.again(proven)
  })
  instead("when the ticket is too old for the client", () => {
    issuer.now = start + 2 * day
    const pair = issuer.again(ticket)
    expect(extensionsOf(pair.sent[0].bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
    issuer.now = start
    return pair
  })
  instead("when the ticket is too old by the server's clock, which decides", () => {
    const server = issuer.server()
    const late = { ...server.resumption!, nowMillis: () => start + 2 * day }
    return issuer.again(ticket, { server: { resumption: late } })
  })
  instead("when the client's clock was set back by hours", () => {
    issuer.now = start - 7_200_000
    const pair = issuer.again(ticket)
    issuer.now = start
    return pair
  })
})

describe("a pre-shared key", () => {
  const issuer = new TicketIssuer()
  const ticket = issuer.first()
  const onHello = (change: (m: Uint8Array) => Uint8Array) =>
    issuer.again(ticket, { meddle: onMessage("client", Type.clientHello, change) }).server.alert

  it("with a wrong binder fails the handshake", () => {
    expect(onHello((m) => flipped(m, -1))).toBe(Alert.decrypt_error)
    expect(issuer.again({ ...ticket, secret: new Uint8Array(32) }).server.alert).toBe(Alert.decrypt_error)
  })
  it("binds the ClientHello that contains it", () => {
    expect(onHello((m) => flipped(m, 10))).toBe(Alert.decrypt_error)
    const stolen = extensionsOf(issuer.again(ticket).sent[0].bytes).at(-1)!
    expect(onHello((m) => withExtension(m, stolen[0], stolen[1]))).toBe(Alert.decrypt_error)
  })
  it("must be the last extension", () => {
    expect(onHello((m) => withExtension(m, 0xfafa, none))).toBe(Alert.illegal_parameter)
  })
  it("needs psk_key_exchange_modes", () => {
    expect(onHello((m) => withoutExtension(m, Extension.psk_key_exchange_modes))).toBe(
      Alert.missing_extension
    )
  })
  it("without a key exchange is not accepted", () => {
    const pair = issuer.again(ticket, {
      meddle: onMessage("client", Type.clientHello, (m) =>
        withExtension(m, Extension.psk_key_exchange_modes, Uint8Array.of(1, 0))
      )
    })
    expect(messagesOf(pair)).toContain(`server ${Type.certificate}`)
  })
  it("that is malformed fails the handshake", () => {
    const psk = (body: Uint8Array) => onHello((m) => withExtension(m, Extension.pre_shared_key, body))
    const list = (body: Uint8Array) => bytes(u16(body.length), body)
    const one = bytes(list(ascii("ticket")), new Uint8Array(4))
    const binder = Uint8Array.of(32, ...new Uint8Array(32))
    expect(psk(none)).toBe(Alert.decode_error)
    expect(psk(bytes(list(none), list(binder)))).toBe(Alert.decode_error)
    expect(psk(bytes(list(bytes(list(none), new Uint8Array(4))), list(binder)))).toBe(Alert.decode_error)
    expect(psk(bytes(list(one.subarray(0, -1)), list(binder)))).toBe(Alert.decode_error)
    expect(psk(bytes(list(one), list(binder.subarray(0, 32))))).toBe(Alert.decode_error)
    expect(psk(bytes(list(one), list(Uint8Array.of(31, ...new Uint8Array(31)))))).toBe(Alert.decode_error)
    expect(psk(bytes(list(one), list(binder), Uint8Array.of(0)))).toBe(Alert.decode_error)
    expect(psk(bytes(list(one), list(none)))).toBe(Alert.illegal_parameter)
    expect(psk(bytes(list(one), list(bytes(binder, binder))))).toBe(Alert.illegal_parameter)
    expect(psk(bytes(list(bytes(one, one)), list(binder)))).toBe(Alert.illegal_parameter)
  })
  it("is only looked for among the first few", () => {
    let opened = 0
    const list = (body: Uint8Array) => bytes(u16(body.length), body)
    const many = bytes(
      list(bytes(...Array.from({ length: 100 }, () => bytes(list(ascii("ticket")), new Uint8Array(4))))),
      list(bytes(...Array.from({ length: 100 }, () => Uint8Array.of(32, ...new Uint8Array(32)))))
    )
    const resumption = { ...issuer.server().resumption!, openTicket: () => void opened++ as undefined }
    issuer.again(ticket, {
      server: { resumption },
      meddle: onMessage("client", Type.clientHello, (m) => withExtension(m, Extension.pre_shared_key, many))
    })
    expect(opened).toBe(4)
  })
  it("is rejected by the client if the server selected one out of range, or with another hash", () => {
    const onServerHello = (change: (m: Uint8Array) => Uint8Array) =>
      issuer.again(ticket, { meddle: onMessage("server", Type.serverHello, change) }).client.alert
    expect(onServerHello((m) => withExtension(m, Extension.pre_shared_key, u16(1)))).toBe(
      Alert.illegal_parameter
    )
    expect(onServerHello((m) => withExtension(m, Extension.pre_shared_key, none))).toBe(
      Alert.illegal_parameter
    )
    expect(
      onServerHello((m) => {
        const copy = m.slice()
        copy.set([0x13, 0x02], 4 + 2 + 32 + 1)
        return copy
      })
    ).toBe(Alert.illegal_parameter)
  })
  it("does not go with certificates", () => {
    const certificate = shake().sent.find(({ bytes }) => bytes[0] === Type.certificate)!.bytes
    const pair = issuer.again(ticket, { meddle: onMessage("server", Type.finished, (m) => [certificate, m]) })
    expect(pair.client.alert).toBe(Alert.unexpected_message)
  })
  it("is omitted from the second ClientHello if it does not fit the server's choice", () => {
    const retried = issuer.again(ticket, {
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
      server: {
        groups: [NamedGroup.secp256r1],
        cipherSuites: [0x1302],
        resumption: { ...issuer.server().resumption!, openTicket: () => undefined }
      }
    })
    expectFull(retried)
    const [, second] = retried.sent.filter(({ bytes }) => bytes[0] === Type.clientHello)
    expect(extensionsOf(second.bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
  })
})

describe("0-RTT", () => {
  const issuer = new TicketIssuer()
  issuer.accept = () => true
  const ticket = issuer.first()

  const expectRejected = (pair: TlsPair) => {
    expect(pair.client.facts?.earlyData).toBe("rejected")
    expect(pair.server.facts?.earlyData).toBe("rejected")
    expect(pair.client.one("earlyData")!.accepted).toBe(false)
    expect(pair.server.one("earlyData")!.accepted).toBe(false)
    expect(pair.server.secret(Level.ZeroRtt, "read")).toBeUndefined()
  }

  // RFC 9001 §5.6 #3 #4, §8.3 #1
  it("has keys at once on the client, and the same on a server that accepts", () => {
    expect(ticket.earlyData).toBe(true)
    const pair = issuer.again(ticket, { client: { keyLog: true }, server: { keyLog: true } })
    expectResumed(pair)
    expect(pair.client.facts!.earlyData).toBe("accepted")
    expect(pair.server.facts!.earlyData).toBe("accepted")
    expect(pair.client.secret(Level.ZeroRtt, "write")).toBeDefined()
    expect(pair.client.secret(Level.ZeroRtt, "write")).toBe(pair.server.secret(Level.ZeroRtt, "read"))
    expect(pair.client.secret(Level.ZeroRtt, "read")).toBeUndefined()
    expect(pair.server.secret(Level.ZeroRtt, "write")).toBeUndefined()
    expect(pair.client.all("keyLog")[0].line).toMatch(/^CLIENT_EARLY_TRAFFIC_SECRET /)
    expect(pair.server.all("keyLog")[0].line).toBe(pair.client.all("keyLog")[0].line)
    expect(messagesOf(pair)).not.toContain(`client ${Type.endOfEarlyData}`)
  })

  it("is decided before the transport parameters that depend on it", () => {
    const tags = issuer.again(ticket).client.events.map(({ _tag }) => _tag)
    expect(tags.indexOf("earlyData")).toBeLessThan(tags.indexOf("transportParameters"))
  })

  // RFC 9001 §9.2 #2
  it("is submitted to the replay guard with what identifies replays and changed settings", () => {
    issuer.requests.length = 0
    const pair = issuer.again(ticket)
    const hello = pair.sent[0].bytes
    expect(issuer.requests).toMatchObject([
      {
        ticket: ticket.identity,
        binder: hello.slice(-32),
        alpn: "test",
        serverName: "example.org",
        transportParameters: ascii("server parameters")
      }
    ])
  })

  it("is rejected, and the session resumed all the same, when the guard says no", () => {
    const { resumption } = issuer.server()
    const server = { resumption: { ...resumption!, acceptEarlyData: () => false } }
    const pair = issuer.again(ticket, { server })
    expectRejected(pair)
    expectResumed(pair)
  })

  it("is rejected if the application protocol differs", () => {
    const pair = issuer.again(ticket, { client: { alpn: ["next", "test"] }, server: { alpn: ["next"] } })
    expectRejected(pair)
    expectResumed(pair)
  })

  it("is rejected when the session is not resumed", () => {
    const server = { resumption: { ...issuer.server().resumption!, openTicket: () => undefined } }
    const pair = issuer.again(ticket, { server })
    expectRejected(pair)
    expectFull(pair)
  })

  // RFC 9001 §4.6.2 #1
  it("is rejected by HelloRetryRequest, and not sent again", () => {
    const client = { groups: [NamedGroup.x25519, NamedGroup.secp256r1] }
    const pair = issuer.again(ticket, { client, server: { groups: [NamedGroup.secp256r1] } })
    expectRejected(pair)
    expectResumed(pair)
    const [, second] = pair.sent.filter(({ bytes }) => bytes[0] === Type.clientHello)
    expect(extensionsOf(second.bytes).map(([type]) => type)).not.toContain(Extension.early_data)
  })

  it("is rejected if the ticket age is off by more than the tolerance", () => {
    for (const [skew, outcome] of [
      [9_000, "accepted"],
      [-9_000, "accepted"],
      [11_000, "rejected"],
      [-11_000, "rejected"]
    ] as const) {
      const client = issuer.client(ticket)
      const skewed = { ...client.resumption!, nowMillis: () => start + 60_000 + skew }
      const server = { resumption: { ...issuer.server().resumption!, nowMillis: () => start + 60_000 } }
      expect(issuer.again(ticket, { client: { resumption: skewed }, server }).server.facts!.earlyData).toBe(
        outcome
      )
    }
  })

  // RFC 9001 §5.6 #1
  it("is not attempted if the ticket, the caller or the protocols do not allow it", () => {
    for (const client of [
      issuer.client({ ...ticket, earlyData: false }),
      issuer.client(ticket, { alpn: ["other"] }),
      { resumption: { ...issuer.client(ticket).resumption!, earlyData: false } }
    ]) {
      const pair = shake({ client, server: issuer.server({ alpn: ["test", "other"] }) })
      expect(pair.client.facts!.earlyData).toBe("none")
      expect(pair.client.one("earlyData")).toBeUndefined()
      expect(pair.client.secret(Level.ZeroRtt, "write")).toBeUndefined()
    }
  })

  it("is not accepted by a server whose ticket did not allow it", () => {
    const plain = new TicketIssuer()
    const plainTicket = plain.first()
    plain.accept = () => true
    expectRejected(plain.again({ ...plainTicket, earlyData: true }))
  })

  it("fails the handshake if accepted without being offered, or for another session", () => {
    const onExtensions = (options: PairOptions, of: SessionTicket | undefined) =>
      shake({
        client: issuer.client(of, options.client),
        server: issuer.server(options.server),
        meddle: onMessage("server", Type.encryptedExtensions, (m) =>
          withExtension(m, Extension.early_data, none)
        )
      }).client.alert
    expect(onExtensions({}, undefined)).toBe(Alert.unsupported_extension)
    // resumed with a cipher suite other than that of the early data
    expect(issuer.again({ ...ticket, cipherSuite: 0x1303 }).client.alert).toBe(Alert.illegal_parameter)
    const forgetful = { resumption: { ...issuer.server().resumption!, openTicket: () => undefined } }
    expect(onExtensions({ server: forgetful }, ticket)).toBe(Alert.illegal_parameter)
    expect(onExtensions({ client: { alpn: ["next", "test"] }, server: { alpn: ["next"] } }, ticket)).toBe(
      Alert.illegal_parameter
    )
    const retried = {
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
      server: { groups: [NamedGroup.secp256r1] }
    }
    expect(onExtensions(retried, ticket)).toBe(Alert.unsupported_extension)
  })

  it("fails the handshake in a second ClientHello", () => {
    let hellos = 0
    const pair = issuer.again(ticket, {
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
      server: {
        groups: [NamedGroup.secp256r1],
        resumption: { ...issuer.server().resumption!, openTicket: () => undefined }
      },
      meddle: onMessage("client", Type.clientHello, (m) =>
        ++hellos === 1 ? m : withExtensions(m, (list) => [[Extension.early_data, none], ...list])
      )
    })
    expect(pair.server.alert).toBe(Alert.illegal_parameter)
  })

  it("waits for the verdict on a client that authenticated in the first session", () => {
    const raw = identity("ed25519", "rawPublicKey")
    const options: PairOptions = {
      client: { identity: raw },
      server: { requestClientCertificate: "require", peerCertificateTypes: ["rawPublicKey"] }
    }
    const proven = issuer.first(options)
    const pair = issuer.again(proven, options)
    expect(pair.server.facts!.earlyData).toBe("accepted")
    expect(pair.server.events[0]._tag).toBe("verifyPeer")
    const refused = issuer.again(proven, {
      ...options,
      verdict: (judge) => (judge === "server" ? { ok: false, alert: 49, reason: "no" } : { ok: true })
    })
    expect(refused.server.secret(Level.ZeroRtt, "read")).toBeUndefined()
    expect(refused.client.one("earlyData")).toMatchObject({ accepted: false })
    expect(refused.server.alert).toBe(49)
  })
})
