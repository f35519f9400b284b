/** Attacks by a server on a client, which has come by itself. */
import { writeNewSessionTicket } from "../../src/handshake/preSharedKey.ts"
import {
  writeHandshakeDone,
  writeNewToken,
  writePathChallenge,
  writePing,
  writeRetireConnectionId
} from "../../src/wire/frameWriters.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import type { Attack } from "./Attack.ts"
import { connectionId, crypto, flood, newConnectionId, PACKETS, stream } from "./floods.ts"

type OnClient = Omit<Attack, "victim">

/** The type of a TLS message. RFC 8446 §4 */
const FINISHED = 20

const handshakes: ReadonlyArray<OnClient> = [
  {
    name: "HANDSHAKE_DONE in a Handshake packet",
    reference: "CVE-2025-59530",
    puppet: { tamper: (message) => (message[0] === FINISHED ? undefined : message) },
    packets: (attacker) =>
      Array.from({ length: PACKETS }, () => attacker.packet(Level.Handshake, writeHandshakeDone)),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "premature HANDSHAKE_DONE",
    reference: "CVE-2025-59530",
    early: (attacker) => attacker.packet(Level.OneRtt, writeHandshakeDone),
    packets: flood(1, writeHandshakeDone)
  },
  {
    name: "version downgrade",
    reference: "RFC 9368 §4",
    puppet: {
      parameters: (honest) => ({
        ...honest,
        versionInformation: { chosen: Version.v2, available: [Version.v2, Version.v1] }
      })
    },
    // each asks again why the handshake failed
    packets: (attacker) =>
      Array.from({ length: PACKETS }, () => attacker.packet(Level.Initial, writePing, { size: 1200 })),
    closes: Code.VERSION_NEGOTIATION_ERROR
  }
]

const gifts: ReadonlyArray<OnClient> = [
  {
    name: "NEW_TOKEN flood",
    reference: "RFC 9000 §21.9",
    packets: flood(1, (w, n) => writeNewToken(w, new Uint8Array(1100).fill(n)))
  },
  {
    name: "NEW_TOKEN of 16 kB",
    reference: "RFC 9000 §8.1.3",
    packetBytes: 16_000,
    packets: (attacker) =>
      flood(1, (w, n) => writeNewToken(w, new Uint8Array(16_000).fill(n)))(attacker).slice(0, 200)
  },
  {
    name: "session tickets without end",
    reference: "RFC 8446 §4.6.1",
    packets: (attacker) => {
      for (let n = 0; n < PACKETS; n++) {
        const nonce = connectionId(n)
        const ticket = { lifetimeSeconds: 1000, ageAdd: n, nonce, identity: new Uint8Array(900).fill(n) }
        attacker.sendCrypto(Level.OneRtt, writeNewSessionTicket({ ...ticket, earlyData: true }))
      }
      return attacker.outbox.splice(0)
    }
  },
  {
    name: "preferred address of somebody else",
    reference: "RFC 9000 §21.5.3",
    puppet: (third) => ({
      parameters: (honest) => ({
        ...honest,
        preferredAddress: {
          ipv4: third,
          ipv6: undefined,
          connectionId: connectionId(76),
          statelessResetToken: new Uint8Array(16).fill(9)
        }
      })
    }),
    // the third party never answers; the client must not go on asking, however long it is kept awake
    packets: flood(1, (w, n) => (n === 0 ? writeHandshakeDone(w) : stream(w, 1, n, 1))),
    mayStray: 12_000
  }
]

/** What a client does to a server in other rows. */
const mirrored: ReadonlyArray<OnClient> = [
  {
    name: "PATH_CHALLENGE flood by a server",
    reference: "CVE-2023-49295, CVE-2023-6193",
    packets: flood(100, (w, n) => writePathChallenge(w, connectionId(n))),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "NEW_CONNECTION_ID churn by a server",
    reference: "CVE-2024-22189",
    packets: flood(20, (w, n) => newConnectionId(w, n + 1, n + 1)),
    closes: Code.CONNECTION_ID_LIMIT_ERROR
  },
  {
    name: "RETIRE_CONNECTION_ID of what was never issued, by a server",
    reference: "RFC 9000 §19.16",
    packets: flood(1, (w, n) => writeRetireConnectionId(w, 1000 + n)),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "CRYPTO with gaps by a server",
    reference: "CVE-2024-1765",
    packets: flood(200, (w, n) => crypto(w, 1 + 2 * n, 1)),
    closes: Code.PROTOCOL_VIOLATION
  }
]

export const servers: ReadonlyArray<Attack> = [...handshakes, ...gifts, ...mirrored].map((attack) => ({
  ...attack,
  victim: "client"
}))
