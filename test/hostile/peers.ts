/** Attacks by a peer with valid keys, which acknowledges nothing. */
import { FrameType } from "../../src/wire/FrameType.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import {
  writeAck,
  writeConnectionClose,
  writeHandshakeDone,
  writeMaxData,
  writeMaxStreamData,
  writeMaxStreams,
  writeNewToken,
  writePathChallenge,
  writePathResponse,
  writePing,
  writeResetStream,
  writeRetireConnectionId,
  writeStopSending,
  writeStreamsBlocked
} from "../../src/wire/frameWriters.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import type { TransportParameters } from "../../src/wire/TransportParameters.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { ackRange, type Puppet } from "../connection/Puppet.ts"
import type { Attack } from "./Attack.ts"
import { forged } from "./forged.ts"
import { bytes, connectionId, crypto, flood, newConnectionId, PACKETS, stream } from "./floods.ts"

const paths: ReadonlyArray<Attack> = [
  {
    name: "PATH_CHALLENGE flood",
    reference: "CVE-2023-49295, CVE-2023-6193",
    packets: flood(100, (w, n) => writePathChallenge(w, connectionId(n)))
  },
  {
    name: "NEW_CONNECTION_ID churn",
    reference: "CVE-2024-22189",
    packets: flood(20, (w, n) => newConnectionId(w, n + 1, n + 1)),
    closes: Code.CONNECTION_ID_LIMIT_ERROR
  },
  {
    name: "NEW_CONNECTION_ID churn that waits for each RETIRE_CONNECTION_ID",
    reference: "CVE-2024-22189",
    rounds: function* (attacker) {
      for (let round = 0; round < 60; round++)
        yield Array.from({ length: 8 }, (_, n) =>
          attacker.packet(Level.OneRtt, (w) => {
            if (round > 0) attacker.ackAll(Level.OneRtt)(w)
            newConnectionId(w, 8 * round + n + 1, 8 * round + n + 1)
          })
        )
    },
    // strikes, unless the network has been slower than the attacker
    closes: [Code.PROTOCOL_VIOLATION, Code.CONNECTION_ID_LIMIT_ERROR]
  },
  {
    name: "NEW_CONNECTION_ID below what is retired",
    reference: "CVE-2024-1410",
    packets: flood(20, (w, n) => newConnectionId(w, n === 0 ? 1_000_000 : n, n === 0 ? 1_000_000 : 0))
  },
  {
    name: "RETIRE_CONNECTION_ID churn",
    reference: "RFC 9000 §5.1.2",
    packets: flood(1, (w, n) => writeRetireConnectionId(w, n + 1)),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "PATH_RESPONSE to no challenge",
    reference: "RFC 9000 §19.18",
    packets: flood(100, (w, n) => writePathResponse(w, connectionId(n))),
    closes: Code.PROTOCOL_VIOLATION
  }
]

const reassembly: ReadonlyArray<Attack> = [
  {
    name: "CRYPTO with gaps",
    reference: "CVE-2024-1765",
    packets: flood(200, (w, n) => crypto(w, 1 + 2 * n, 1)),
    // strikes, long before the buffer is full
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "CRYPTO far ahead",
    reference: "CVE-2024-1765",
    packets: flood(1, (w, n) => crypto(w, 2 ** 40 + 1000 * n, 1000)),
    closes: Code.CRYPTO_BUFFER_EXCEEDED
  },
  {
    name: "CRYPTO without data",
    reference: "CVE-2024-1765",
    packets: flood(300, (w) => crypto(w, 0, 0))
  },
  {
    name: "STREAM with gaps",
    reference: "CVE-2026-25800",
    packets: flood(200, (w, n) => stream(w, 0, 1 + 2 * n, 1))
  },
  {
    name: "STREAM without data",
    reference: "RFC 9000 §21.9",
    packets: flood(300, (w) => stream(w, 0, 0, 0))
  },
  {
    name: "DATAGRAM without data",
    reference: "RFC 9221 §5.2",
    packets: flood(500, (w) => w.copy(bytes(FrameType.DATAGRAM + 1, 0))),
    costFactor: 4
  }
]

const limits: ReadonlyArray<Attack> = [
  {
    name: "MAX_STREAM_DATA flood",
    reference: "RFC 9000 §21.9",
    packets: flood(100, (w, n) => {
      if (n === 0) stream(w, 0, 0, 1)
      writeMaxStreamData(w, 0, 200_000 + n)
    })
  },
  {
    name: "MAX_DATA and MAX_STREAMS flood",
    reference: "RFC 9000 §21.9",
    packets: flood(100, (w, n) => {
      writeMaxData(w, 2_000_000 + n)
      writeMaxStreams(w, false, 100 + n)
    })
  },
  {
    name: "STREAMS_BLOCKED flood",
    reference: "RFC 9000 §21.9",
    packets: flood(300, (w, n) => writeStreamsBlocked(w, n % 2 === 0, n % 100))
  },
  {
    name: "stream beyond the limit",
    reference: "RFC 9000 §4.6",
    packets: flood(1, (w) => stream(w, 4 * 2 ** 40, 0, 1)),
    closes: Code.STREAM_LIMIT_ERROR
  },
  {
    name: "rapid reset",
    reference: "CVE-2023-44487",
    packets: flood(1, (w, n) => {
      stream(w, 4 * n, 0, 1)
      writeResetStream(w, 4 * n, 0, 1)
      writeStopSending(w, 4 * n, 0)
    })
  },
  {
    name: "RESET_STREAM and STOP_SENDING of one stream",
    reference: "CVE-2023-44487",
    packets: flood(100, (w, n) => {
      if (n === 0) stream(w, 0, 0, 1)
      writeResetStream(w, 0, 0, 1)
      writeStopSending(w, 0, 0)
    }),
    closes: Code.PROTOCOL_VIOLATION
  }
]

/** Lets the victim send on. */
const generous = {
  parameters: (honest: TransportParameters): TransportParameters => ({
    ...honest,
    maxUdpPayloadSize: 1200,
    initialMaxData: 2 ** 30,
    initialMaxStreamDataBidiLocal: 2 ** 30
  })
}

/** An ACK of every second packet that has arrived, in as many ranges as there are. */
const everySecond = (attacker: Puppet): AckFrame => {
  const numbers = new Set(
    attacker.seen.frames.filter(({ level }) => level === Level.OneRtt).map((frame) => frame.packetNumber)
  )
  const ack = new AckFrame()
  for (const number of [...numbers].sort((a, b) => b - a)) {
    if (ack.rangeCount > 0 && ack.smallest[ack.rangeCount - 1] < number + 2) continue
    if (ack.rangeCount === ack.smallest.length) break
    ack.largestOf[ack.rangeCount] = ack.smallest[ack.rangeCount] = number
    ack.rangeCount++
  }
  ack.largest = ack.largestOf[0]
  return ack
}

const acknowledgements: ReadonlyArray<Attack> = [
  {
    name: "ACK of what was never sent",
    reference: "CVE-2025-4820, CVE-2025-4821",
    packets: flood(1, (w) => ackRange(0, 1_000_000)(w)),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "optimistic ACK",
    reference: "CVE-2025-4820, CVE-2025-4821",
    puppet: generous,
    rounds: function* (attacker) {
      for (let round = 0; round < 20; round++)
        yield Array.from({ length: 100 }, (_, n) =>
          attacker.packet(Level.OneRtt, (w) => {
            // nothing beyond what has arrived, but as if nothing had been left out
            if (attacker.largestReceived[2] > 0) ackRange(0, attacker.largestReceived[2])(w)
            stream(w, 0, 1000 * (100 * round + n), 1000)
          })
        )
    },
    closes: Code.PROTOCOL_VIOLATION,
    // an echo that nobody has acknowledged yet
    mayHold: 4_000_000
  },
  {
    name: "ACK of hundreds of ranges",
    reference: "RFC 9000 §21.9",
    puppet: generous,
    rounds: function* (attacker) {
      for (let round = 0; round < 10; round++)
        yield Array.from({ length: 100 }, (_, n) =>
          attacker.packet(Level.OneRtt, (w) => {
            if (round > 0) attacker.ackAll(Level.OneRtt)(w)
            stream(w, 0, 1000 * (100 * round + n), 1000)
          })
        )
      yield flood(1, (w) => writeAck(w, everySecond(attacker)))(attacker)
    }
  },
  {
    name: "ACK range explosion by gaps in packet numbers",
    reference: "RFC 9000 §13.2.3",
    packets: flood(1, writePing, (packet) => ({ packetNumber: 1000 + 2 * packet }))
  },
  {
    name: "PING flood",
    reference: "RFC 9000 §21.9",
    packets: flood(1100, writePing)
  },
  {
    name: "HANDSHAKE_DONE from a client",
    reference: "CVE-2025-59530",
    packets: flood(1, writeHandshakeDone),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "NEW_TOKEN from a client",
    reference: "RFC 9000 §19.7",
    packets: flood(1, (w) => writeNewToken(w, connectionId(1))),
    closes: Code.PROTOCOL_VIOLATION
  },
  {
    name: "key updates without waiting",
    reference: "RFC 9001 §6.2",
    packets: (attacker) =>
      Array.from({ length: PACKETS }, (_, packet) => {
        attacker.updateKeys(packet === 0 ? "both" : "write")
        return attacker.packet(Level.OneRtt, writePing)
      }),
    closes: Code.KEY_UPDATE_ERROR
  },
  {
    name: "log injection from the reason of a close",
    reference: "CWE-117",
    isWatched: true,
    packets: flood(1, (w, n) => writeConnectionClose(w, n % 2 === 0, 1, 0, new TextEncoder().encode(forged)))
  }
]

/** Each asks again why the handshake failed. */
const insisting = (attacker: Puppet): ReadonlyArray<Uint8Array> =>
  Array.from({ length: PACKETS }, () => attacker.packet(Level.Initial, writePing, { size: 1200 }))

/** A version that nobody speaks. RFC 9000 §15 */
const GREASED = 0x1a2a3a4a

const handshakes: ReadonlyArray<Attack> = [
  {
    name: "log injection from a protocol name",
    reference: "CWE-117",
    isWatched: true,
    puppet: { alpn: [forged] },
    packets: insisting,
    closes: 0x100 + Alert.no_application_protocol
  },
  {
    name: "log injection from a server name",
    reference: "CWE-117",
    isWatched: true,
    puppet: { serverName: forged },
    packets: insisting
  },
  {
    name: "version downgrade by a client",
    reference: "RFC 9368 §4",
    puppet: {
      parameters: (honest) => ({
        ...honest,
        versionInformation: { chosen: GREASED, available: [GREASED, Version.v1] }
      })
    },
    packets: insisting,
    closes: Code.VERSION_NEGOTIATION_ERROR
  },
  {
    name: "transport parameters cut short",
    reference: "CVE-2026-31812",
    puppet: { rawParameters: (honest) => honest.slice(0, -1) },
    packets: insisting,
    closes: Code.TRANSPORT_PARAMETER_ERROR
  }
]

export const peers: ReadonlyArray<Attack> = [
  ...paths,
  ...reassembly,
  ...limits,
  ...acknowledgements,
  ...handshakes
]
