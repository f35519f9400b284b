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

/** A server's tickets, sealed with a key of their own, and a clock. */
class Shop {
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

  /** A second handshake, with the ticket of a first one. */
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
  it("come in twos after the handshake, each with a secret of its own", () => {
    const shop = new Shop()
    const { client, server } = shake({ client: shop.client(), server: shop.server() })
    const tickets = client.all("ticket").map(({ ticket }) => ticket)
    expect(tickets).toHaveLength(2)
    expect(tickets[0].secret).not.toEqual(tickets[1].secret)
    expect(tickets[0].ageAdd).not.toBe(tickets[1].ageAdd)
    expect(tickets[0]).toMatchObject({
      alpn: "test",
      serverName: "example.org",
      cipherSuite: 0x1301,
      lifetimeSeconds: shop.lifetime,
      issuedAtMillis: start,
      earlyData: false,
      transportParameters: ascii("server parameters"),
      peer: { _tag: "x509", chain: identity().chain }
    })
    expect(client.events.at(-1)!._tag).toBe("ticket")
    expect(server.all("ticket")).toEqual([])
  })

  it("are sent only to clients that want them, and kept only by those", () => {
    const shop = new Shop()
    const unwanted = shake({ server: shop.server() })
    expect(messagesOf(unwanted)).not.toContain(`server ${Type.newSessionTicket}`)
    const none_ = shake({ client: shop.client() })
    expect(none_.client.all("ticket")).toEqual([])
  })

  it("live seven days at most, whatever the server says", () => {
    const shop = new Shop()
    shop.lifetime = 30 * 86_400
    expect(shop.first().lifetimeSeconds).toBe(MAX_TICKET_LIFETIME_SECONDS)
    const meddle = onMessage("server", Type.newSessionTicket, (m) => {
      const copy = m.slice()
      copy.fill(0xff, 4, 8)
      return copy
    })
    expect(shop.first({ meddle }).lifetimeSeconds).toBe(MAX_TICKET_LIFETIME_SECONDS)
  })

  it("with a lifetime of zero are dropped", () => {
    const shop = new Shop()
    const meddle = onMessage("server", Type.newSessionTicket, (m) => {
      const copy = m.slice()
      copy.fill(0, 4, 8)
      return copy
    })
    const pair = shake({ client: shop.client(), server: shop.server(), meddle })
    expect(pair.client.all("ticket")).toEqual([])
    expect(pair.client.alert).toBeUndefined()
  })

  it("are passed over beyond sixteen", () => {
    const shop = new Shop()
    const meddle = onMessage("server", Type.newSessionTicket, (m) => Array.from({ length: 40 }, () => m))
    const pair = shake({ client: shop.client(), server: shop.server(), meddle })
    expect(pair.client.all("ticket")).toHaveLength(16)
    expect(pair.client.alert).toBeUndefined()
  })

  it("that are malformed end the connection", () => {
    const shop = new Shop()
    const on = (change: (m: Uint8Array) => Uint8Array) =>
      shake({
        client: shop.client(),
        server: shop.server(),
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

  it("above 4 kB are passed over, and a later one is kept", () => {
    const shop = new Shop()
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
      const { client } = shake({ client: shop.client(), server: shop.server(), meddle })
      expect(client.alert).toBeUndefined()
      expect(client.all("ticket").some(({ ticket }) => ticket.identity.length === size)).toBe(kept)
      if (!kept) expect(client.all("ticket")).toHaveLength(2)
    }
  })

  it("too large for a ClientHello are not issued", () => {
    const shop = new Shop()
    const chain = [...identity("rsa").chain, new Uint8Array(3000)]
    const pair = shake({
      client: shop.client(undefined, { identity: { ...identity("rsa"), chain } }),
      server: shop.server({ requestClientCertificate: "require" })
    })
    expect(pair.server.facts).toBeDefined()
    expect(pair.client.all("ticket")).toEqual([])
  })

  it("survive being written down", () => {
    const x509 = new Shop().first()
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
        const shop = new Shop()
        const client = { cipherSuites: [cipher], groups: [group] }
        const ticket = shop.first({ client })
        shop.now += 3_600_000
        const pair = shop.again(ticket, { client })
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

  it("is resumed under its cipher suite though the server would now choose another", () => {
    const shop = new Shop()
    const ticket = shop.first({ server: { cipherSuites: [0x1302] } })
    const pair = shop.again(ticket)
    expectResumed(pair)
    expect(pair.client.facts!.cipherSuite).toBe(0x1302)
  })

  it("can be resumed again and again from new tickets", () => {
    const shop = new Shop()
    let ticket = shop.first()
    for (let i = 0; i < 3; i++) {
      const pair = shop.again(ticket)
      expectResumed(pair)
      ticket = pair.client.one("ticket")!.ticket
      expect(ticket.peer).toEqual({ _tag: "x509", chain: identity().chain })
    }
  })

  it("is resumed through a HelloRetryRequest", () => {
    const shop = new Shop()
    const client = { groups: [NamedGroup.x25519, NamedGroup.secp256r1] }
    const server = { groups: [NamedGroup.secp256r1] }
    const ticket = shop.first({ client, server })
    const pair = shop.again({ ...ticket, group: NamedGroup.x25519 }, { client, server })
    expectResumed(pair)
    expect(messagesOf(pair).filter((name) => name === "client 1")).toHaveLength(2)
  })

  it("needs none for the group that served before", () => {
    const shop = new Shop()
    const client = { groups: [NamedGroup.x25519, NamedGroup.secp256r1] }
    const server = { groups: [NamedGroup.secp256r1] }
    const pair = shop.again(shop.first({ client, server }), { client, server })
    expectResumed(pair)
    expect(messagesOf(pair).filter((name) => name === "client 1")).toHaveLength(1)
    expect(pair.client.facts!.group).toBe(NamedGroup.secp256r1)
  })

  it("with another application protocol is still resumed", () => {
    const shop = new Shop()
    const pair = shop.again(shop.first(), { client: { alpn: ["other"] }, server: { alpn: ["other"] } })
    expectResumed(pair)
    expect(pair.client.facts!.alpn).toBe("other")
  })

  it("has its peer judged before a byte leaves, and once", () => {
    const shop = new Shop()
    const ticket = shop.first()
    const { client, server } = new TlsPair({ client: shop.client(ticket), server: shop.server() })
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
    expect(shop.again(ticket).client.all("verifyPeer")).toHaveLength(1)
  })

  it("names the form of its keys to a client that takes only raw ones, as clients built on rustls demand", () => {
    const shop = new Shop()
    const options: PairOptions = {
      client: { identity: identity("ed25519", "rawPublicKey"), peerCertificateTypes: ["rawPublicKey"] },
      server: {
        selectIdentity: () => identity("ed25519", "rawPublicKey"),
        requestClientCertificate: "require",
        peerCertificateTypes: ["rawPublicKey"]
      }
    }
    const pair = shop.again(shop.first(options), options)
    expectResumed(pair)
    const extensions = new Map(
      extensionsOf(pair.sent.find(({ bytes }) => bytes[0] === Type.encryptedExtensions)!.bytes)
    )
    expect(extensions.get(Extension.server_certificate_type)).toEqual(Uint8Array.of(2))
    expect(extensions.get(Extension.client_certificate_type)).toEqual(Uint8Array.of(2))
  })

  it("keeps the client's proof, judged once more before a byte is said", () => {
    const shop = new Shop()
    const raw = identity("ed25519", "rawPublicKey")
    const options: PairOptions = {
      client: { identity: raw },
      server: { requestClientCertificate: "require", peerCertificateTypes: ["rawPublicKey"] }
    }
    const ticket = shop.first(options)
    const pair = shop.again(ticket, options)
    expectResumed(pair)
    expect(pair.server.facts!.peer).toEqual({ _tag: "rawPublicKey", spki: raw.key.spki })
    const barred = shop.again(ticket, {
      ...options,
      verdict: (judge) =>
        judge === "server" ? { ok: false, alert: Alert.access_denied, reason: "barred since" } : { ok: true }
    })
    expect(barred.server.alert).toBe(Alert.access_denied)
    expect(barred.server.all("verifyPeer")).toHaveLength(2)
    expect(barred.server.secret(Level.OneRtt, "read")).toBeUndefined()
  })
})

describe("a full handshake takes place instead", () => {
  const shop = new Shop()
  const ticket = shop.first()
  const instead = (name: string, make: () => TlsPair) => it(name, () => expectFull(make()))

  /** Refuses the first that `who` asks about. */
  const refusingFirst = (who: Role): NonNullable<PairOptions["verdict"]> => {
    let asked = 0
    return (judge) =>
      judge === who && ++asked === 1
        ? { ok: false, alert: Alert.certificate_expired, reason: "too old now" }
        : { ok: true }
  }

  it("when the client refuses who the ticket is of, which is not offered then", () => {
    const pair = shop.again(ticket, { verdict: refusingFirst("client") })
    expectFull(pair)
    expect(pair.client.all("verifyPeer")).toHaveLength(2)
    expect(new Map(extensionsOf(pair.sent[0].bytes)).has(Extension.pre_shared_key)).toBe(false)
  })
  it("when the server refuses who the ticket was given to, and the client proves to be somebody else", () => {
    const raw = identity("ed25519", "rawPublicKey")
    for (const cipherSuites of [[0x1301], [0x1302, 0x1301]]) {
      const client = { identity: raw }
      const server = { requestClientCertificate: "require", peerCertificateTypes: ["rawPublicKey"] } as const
      const proven = shop.first({ client: { ...client, cipherSuites: [0x1301] }, server })
      const pair = shop.again(proven, {
        client: { ...client, cipherSuites },
        server: { ...server, cipherSuites },
        verdict: refusingFirst("server")
      })
      expectFull(pair)
      expect(pair.server.facts!.cipherSuite).toBe(cipherSuites[0])
      expect(pair.server.facts!.peer).toEqual({ _tag: "rawPublicKey", spki: raw.key.spki })
    }
  })
  instead("when the server cannot open the ticket", () => new Shop().again(ticket))
  instead("when what it opens is no ticket", () =>
    shop.again(ticket, {
      server: { resumption: { ...shop.server().resumption!, openTicket: () => Uint8Array.of(1, 2, 3) } }
    })
  )
  instead("when the server resumes nothing", () => shake({ client: shop.client(ticket) }))
  instead("when the server no longer uses the cipher suite", () =>
    shop.again(ticket, { server: { cipherSuites: [0x1302, 0x1303] } })
  )
  instead("when the client no longer uses the cipher suite", () =>
    shop.again(ticket, { client: { cipherSuites: [0x1303] } })
  )
  instead("when the client wants another server", () =>
    shop.again(ticket, { client: { serverName: "example.com" } })
  )
  it("when a store hands out a ticket above 4 kB, which is not shown", () => {
    const pair = shop.again({ ...ticket, identity: new Uint8Array(4097) })
    expectFull(pair)
    expect(extensionsOf(pair.sent[0].bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
  })
  it("and the ticket is not even shown to another server", () => {
    const { sent } = shop.again(ticket, { client: { serverName: "example.com" } })
    expect(extensionsOf(sent[0].bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
  })
  instead("when the client shows the ticket to another server all the same", () =>
    shop.again({ ...ticket, serverName: "example.com" }, { client: { serverName: "example.com" } })
  )
  instead("when the client shows the ticket but does not offer its cipher suite", () =>
    shop.again({ ...ticket, cipherSuite: 0x1303 }, { client: { cipherSuites: [0x1303] } })
  )
  instead("when a HelloRetryRequest has already named another cipher suite", () => {
    const chacha = shop.first({ client: { cipherSuites: [0x1303] } })
    const resumption = shop.server().resumption!
    let shown = 0
    const pair = shop.again(chacha, {
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
  instead("when the client no longer takes the form of the server's identity", () =>
    shop.again(ticket, {
      client: { peerCertificateTypes: ["rawPublicKey"] },
      server: { selectIdentity: () => identity("ed25519", "rawPublicKey") }
    })
  )
  instead("when the client must now show a certificate", () =>
    shop.again(ticket, {
      client: { identity: identity() },
      server: { requestClientCertificate: "require" }
    })
  )
  instead("when the client no longer may show a certificate", () => {
    const options = {
      client: { identity: identity("ed25519") },
      server: { requestClientCertificate: "request" as const }
    }
    const proven = shop.first(options)
    return shop.again(proven)
  })
  instead("when the ticket is too old for the client", () => {
    shop.now = start + 2 * day
    const pair = shop.again(ticket)
    expect(extensionsOf(pair.sent[0].bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
    shop.now = start
    return pair
  })
  instead("when the ticket is too old for the server, whose clock is the one that counts", () => {
    const server = shop.server()
    const late = { ...server.resumption!, nowMillis: () => start + 2 * day }
    return shop.again(ticket, { server: { resumption: late } })
  })
  instead("when the client's clock was set back by hours", () => {
    shop.now = start - 7_200_000
    const pair = shop.again(ticket)
    shop.now = start
    return pair
  })
})

describe("a pre-shared key", () => {
  const shop = new Shop()
  const ticket = shop.first()
  const onHello = (change: (m: Uint8Array) => Uint8Array) =>
    shop.again(ticket, { meddle: onMessage("client", Type.clientHello, change) }).server.alert

  it("with a wrong binder ends the handshake", () => {
    expect(onHello((m) => flipped(m, -1))).toBe(Alert.decrypt_error)
    expect(shop.again({ ...ticket, secret: new Uint8Array(32) }).server.alert).toBe(Alert.decrypt_error)
  })
  it("binds the ClientHello it came in", () => {
    expect(onHello((m) => flipped(m, 10))).toBe(Alert.decrypt_error)
    const stolen = extensionsOf(shop.again(ticket).sent[0].bytes).at(-1)!
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
  it("without a key exchange is not taken", () => {
    const pair = shop.again(ticket, {
      meddle: onMessage("client", Type.clientHello, (m) =>
        withExtension(m, Extension.psk_key_exchange_modes, Uint8Array.of(1, 0))
      )
    })
    expect(messagesOf(pair)).toContain(`server ${Type.certificate}`)
  })
  it("that is malformed ends the handshake", () => {
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
  it("is looked for among the first few only", () => {
    let opened = 0
    const list = (body: Uint8Array) => bytes(u16(body.length), body)
    const many = bytes(
      list(bytes(...Array.from({ length: 100 }, () => bytes(list(ascii("ticket")), new Uint8Array(4))))),
      list(bytes(...Array.from({ length: 100 }, () => Uint8Array.of(32, ...new Uint8Array(32)))))
    )
    const resumption = { ...shop.server().resumption!, openTicket: () => void opened++ as undefined }
    shop.again(ticket, {
      server: { resumption },
      meddle: onMessage("client", Type.clientHello, (m) => withExtension(m, Extension.pre_shared_key, many))
    })
    expect(opened).toBe(4)
  })
  it("is refused by the client when the server chose one out of range, or under another hash", () => {
    const onServerHello = (change: (m: Uint8Array) => Uint8Array) =>
      shop.again(ticket, { meddle: onMessage("server", Type.serverHello, change) }).client.alert
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
    const pair = shop.again(ticket, { meddle: onMessage("server", Type.finished, (m) => [certificate, m]) })
    expect(pair.client.alert).toBe(Alert.unexpected_message)
  })
  it("is left out of the second ClientHello when the server's choice does not go with it", () => {
    const retried = shop.again(ticket, {
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
      server: {
        groups: [NamedGroup.secp256r1],
        cipherSuites: [0x1302],
        resumption: { ...shop.server().resumption!, openTicket: () => undefined }
      }
    })
    expectFull(retried)
    const [, second] = retried.sent.filter(({ bytes }) => bytes[0] === Type.clientHello)
    expect(extensionsOf(second.bytes).map(([type]) => type)).not.toContain(Extension.pre_shared_key)
  })
})

describe("0-RTT", () => {
  const shop = new Shop()
  shop.accept = () => true
  const ticket = shop.first()

  const expectRejected = (pair: TlsPair) => {
    expect(pair.client.facts?.earlyData).toBe("rejected")
    expect(pair.server.facts?.earlyData).toBe("rejected")
    expect(pair.client.one("earlyData")!.accepted).toBe(false)
    expect(pair.server.one("earlyData")!.accepted).toBe(false)
    expect(pair.server.secret(Level.ZeroRtt, "read")).toBeUndefined()
  }

  // RFC 9001 §5.6 #3 #4, §8.3 #1
  it("has keys at once on the client, and alike on the server that accepts", () => {
    expect(ticket.earlyData).toBe(true)
    const pair = shop.again(ticket, { client: { keyLog: true }, server: { keyLog: true } })
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
    const tags = shop.again(ticket).client.events.map(({ _tag }) => _tag)
    expect(tags.indexOf("earlyData")).toBeLessThan(tags.indexOf("transportParameters"))
  })

  // RFC 9001 §9.2 #2
  it("is put to the guard with what tells replays and changed settings", () => {
    shop.requests.length = 0
    const pair = shop.again(ticket)
    const hello = pair.sent[0].bytes
    expect(shop.requests).toMatchObject([
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
    const { resumption } = shop.server()
    const server = { resumption: { ...resumption!, acceptEarlyData: () => false } }
    const pair = shop.again(ticket, { server })
    expectRejected(pair)
    expectResumed(pair)
  })

  it("is rejected when the application protocol is another", () => {
    const pair = shop.again(ticket, { client: { alpn: ["next", "test"] }, server: { alpn: ["next"] } })
    expectRejected(pair)
    expectResumed(pair)
  })

  it("is rejected when the session is not resumed", () => {
    const server = { resumption: { ...shop.server().resumption!, openTicket: () => undefined } }
    const pair = shop.again(ticket, { server })
    expectRejected(pair)
    expectFull(pair)
  })

  // RFC 9001 §4.6.2 #1
  it("is rejected by HelloRetryRequest, and not tried again", () => {
    const client = { groups: [NamedGroup.x25519, NamedGroup.secp256r1] }
    const pair = shop.again(ticket, { client, server: { groups: [NamedGroup.secp256r1] } })
    expectRejected(pair)
    expectResumed(pair)
    const [, second] = pair.sent.filter(({ bytes }) => bytes[0] === Type.clientHello)
    expect(extensionsOf(second.bytes).map(([type]) => type)).not.toContain(Extension.early_data)
  })

  it("is rejected when the age that the client tells is off by more than the tolerance", () => {
    for (const [skew, outcome] of [
      [9_000, "accepted"],
      [-9_000, "accepted"],
      [11_000, "rejected"],
      [-11_000, "rejected"]
    ] as const) {
      const client = shop.client(ticket)
      const skewed = { ...client.resumption!, nowMillis: () => start + 60_000 + skew }
      const server = { resumption: { ...shop.server().resumption!, nowMillis: () => start + 60_000 } }
      expect(shop.again(ticket, { client: { resumption: skewed }, server }).server.facts!.earlyData).toBe(
        outcome
      )
    }
  })

  // RFC 9001 §5.6 #1
  it("is not tried when the ticket, the caller or the protocols do not allow it", () => {
    for (const client of [
      shop.client({ ...ticket, earlyData: false }),
      shop.client(ticket, { alpn: ["other"] }),
      { resumption: { ...shop.client(ticket).resumption!, earlyData: false } }
    ]) {
      const pair = shake({ client, server: shop.server({ alpn: ["test", "other"] }) })
      expect(pair.client.facts!.earlyData).toBe("none")
      expect(pair.client.one("earlyData")).toBeUndefined()
      expect(pair.client.secret(Level.ZeroRtt, "write")).toBeUndefined()
    }
  })

  it("is not accepted by a server whose ticket did not promise it", () => {
    const plain = new Shop()
    const plainTicket = plain.first()
    plain.accept = () => true
    expectRejected(plain.again({ ...plainTicket, earlyData: true }))
  })

  it("accepted unasked, or for another session, ends the handshake", () => {
    const onExtensions = (options: PairOptions, of: SessionTicket | undefined) =>
      shake({
        client: shop.client(of, options.client),
        server: shop.server(options.server),
        meddle: onMessage("server", Type.encryptedExtensions, (m) =>
          withExtension(m, Extension.early_data, none)
        )
      }).client.alert
    expect(onExtensions({}, undefined)).toBe(Alert.unsupported_extension)
    // resumed under another cipher suite than the one the early data was sealed with
    expect(shop.again({ ...ticket, cipherSuite: 0x1303 }).client.alert).toBe(Alert.illegal_parameter)
    const forgetful = { resumption: { ...shop.server().resumption!, openTicket: () => undefined } }
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

  it("in a second ClientHello ends the handshake", () => {
    let hellos = 0
    const pair = shop.again(ticket, {
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
      server: {
        groups: [NamedGroup.secp256r1],
        resumption: { ...shop.server().resumption!, openTicket: () => undefined }
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
    const proven = shop.first(options)
    const pair = shop.again(proven, options)
    expect(pair.server.facts!.earlyData).toBe("accepted")
    expect(pair.server.events[0]._tag).toBe("verifyPeer")
    const refused = shop.again(proven, {
      ...options,
      verdict: (judge) => (judge === "server" ? { ok: false, alert: 49, reason: "no" } : { ok: true })
    })
    expect(refused.server.secret(Level.ZeroRtt, "read")).toBeUndefined()
    expect(refused.client.one("earlyData")).toMatchObject({ accepted: false })
    expect(refused.server.alert).toBe(49)
  })
})
