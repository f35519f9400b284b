import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Extension } from "../../src/handshake/extensions.ts"
import { decodeSessionTicket } from "../../src/handshake/SessionTicket.ts"
import type { ServerResumption } from "../../src/handshake/TlsSession.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { bytes, messageOf, Type, withExtension } from "./surgery.ts"
import { identity, type PairOptions, shake, TlsPair } from "./TlsPair.ts"

const levels = fc.constantFrom(Level.Initial, Level.ZeroRtt, Level.Handshake, Level.OneRtt)
const types = fc.oneof(fc.constantFrom(...Object.values(Type)), fc.integer({ min: 0, max: 255 }))
const blob = (maxLength: number) => fc.uint8Array({ maxLength })

/** Unencrypted tickets, so that fuzzing reaches their content. */
const resumption: ServerResumption = {
  nowMillis: () => 1_000_000,
  ticketLifetimeSeconds: 3600,
  sealTicket: (plaintext) => plaintext,
  openTicket: (identity) => identity,
  acceptEarlyData: () => true
}

const client = { identity: identity("ed25519"), peerCertificateTypes: ["x509", "rawPublicKey"] as const }
const server = { resumption, requestClientCertificate: "request" as const }
const wanting = { ...client, resumption: { nowMillis: () => 1_000_000, ticket: undefined, earlyData: true } }
const { ticket } = shake({ client: wanting, server }).client.one("ticket")!

/** Handshakes that together include every message type. */
const scenarios: ReadonlyArray<PairOptions> = [
  { client, server },
  { client: wanting, server },
  { client: { ...client, groups: [29, 23] }, server: { ...server, groups: [23] } },
  { client: { ...client, resumption: { ...wanting.resumption, ticket } }, server }
]
const scenario = fc.constantFrom(...scenarios)

describe("with arbitrary input", () => {
  it("nothing throws, at any stage of the handshake", () => {
    const chunk = fc.record({
      to: fc.constantFrom("client" as const, "server" as const),
      level: levels,
      bytes: fc.oneof(
        blob(300),
        fc.tuple(types, blob(300)).map(([type, body]) => messageOf(type, body))
      ),
      after: fc.nat(12)
    })
    fc.assert(
      fc.property(scenario, fc.array(chunk, { minLength: 1, maxLength: 4 }), (options, chunks) => {
        let carried = 0
        const pair = new TlsPair({
          ...options,
          meddle: (from, message) => {
            const now = chunks.filter(({ to, after }) => to !== from && after === carried)
            carried++
            return [...now, message]
          }
        })
        pair.run()
        for (const { to, level, bytes } of chunks) pair.inject(to, level, bytes)
      }),
      { numRuns: 400 }
    )
  })

  const mutation = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), with: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), with: fc.nat(40) }),
    fc.record({ kind: fc.constant("insert" as const), at: fc.nat(), with: fc.nat(255) }),
    fc.record({ kind: fc.constant("cutAndFixLength" as const), at: fc.nat(), with: fc.nat(40) })
  )
  type Mutation = typeof mutation extends fc.Arbitrary<infer A> ? A : never

  const mutate = (message: Uint8Array, { kind, at, with: value }: Mutation): Uint8Array => {
    const offset = at % message.length
    const copy = message.slice()
    if (kind === "flip") {
      copy[offset] ^= value
      return copy
    }
    if (kind === "insert") return bytes(copy.subarray(0, offset), Uint8Array.of(value), copy.subarray(offset))
    const without = bytes(copy.subarray(0, offset), copy.subarray(offset + value + 1))
    return kind === "cut" || without.length < 4 ? without : messageOf(without[0], without.subarray(4))
  }

  it("a handshake with a modified message never completes on both sides", () => {
    fc.assert(
      fc.property(scenario, fc.nat(12), mutation, (options, which, change) => {
        let carried = 0
        let changed = false
        const pair = shake({
          ...options,
          meddle: (_from, message) => {
            if (carried++ !== which || message[0] === Type.newSessionTicket) return message
            changed = true
            return mutate(message, change)
          }
        })
        if (changed) expect(pair.client.facts !== undefined && pair.server.facts !== undefined).toBe(false)
      }),
      { numRuns: 500 }
    )
  })

  it("nor does one with a modified extension", () => {
    const extension = fc.oneof(
      fc.constantFrom(...Object.values(Extension)),
      fc.integer({ min: 0, max: 0xffff })
    )
    const carriers: ReadonlyArray<number> = [
      Type.clientHello,
      Type.serverHello,
      Type.encryptedExtensions,
      Type.certificateRequest
    ]
    fc.assert(
      fc.property(
        scenario,
        fc.constantFrom(...carriers),
        extension,
        blob(80),
        (options, carrier, type, body) => {
          let changed = false
          const pair = shake({
            ...options,
            meddle: (_from, message) => {
              if (message[0] !== carrier) return message
              const other = withExtension(message, type, body)
              changed ||= !Buffer.from(other).equals(message)
              return other
            }
          })
          if (changed) expect(pair.client.facts !== undefined && pair.server.facts !== undefined).toBe(false)
        }
      ),
      { numRuns: 500 }
    )
  })

  it("tickets with any content are accepted or rejected", () => {
    fc.assert(
      fc.property(blob(200), fc.nat(100), fc.integer({ min: 1, max: 255 }), (content, at, value) => {
        decodeSessionTicket(content)
        decodeSessionTicket(bytes(Uint8Array.of(1), content))
        const changed = ticket.identity.slice()
        changed[at % changed.length] ^= value
        const pair = shake({
          client: {
            ...client,
            resumption: { ...wanting.resumption, ticket: { ...ticket, identity: changed } }
          },
          server
        })
        expect(pair.client.one("failed") ?? pair.client.facts ?? pair.server.one("failed")).toBeDefined()
      }),
      { numRuns: 200 }
    )
  })
})
