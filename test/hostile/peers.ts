/** Attacks by a peer with valid keys, which acknowledges nothing. */
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import {
  writeConnectionClose,
  writeCryptoHeader,
  writeHandshakeDone,
  writeMaxData,
  writeMaxStreamData,
  writeMaxStreams,
  writeNewConnectionId,
  writePathChallenge,
  writePing,
  writeResetStream,
  writeRetireConnectionId,
  writeStopSending,
  writeStreamHeader,
  writeStreamsBlocked
} from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { ackRange, type PacketOptions, type Puppet } from "../connection/Puppet.ts"
import type { Attack } from "./Attack.ts"

const PACKETS = 1000

/** A thousand packets of `frames` frames; `write` is told how many frames came before. */
const flood =
  (
    frames: number,
    write: (w: ByteWriter, n: number) => void,
    options: (packet: number) => PacketOptions = () => ({})
  ) =>
  (attacker: Puppet): ReadonlyArray<Uint8Array> =>
    Array.from({ length: PACKETS }, (_, packet) =>
      attacker.packet(
        Level.OneRtt,
        (w) => {
          for (let i = 0; i < frames; i++) write(w, packet * frames + i)
        },
        options(packet)
      )
    )

const connectionId = (n: number): Uint8Array => {
  const id = new Uint8Array(8)
  new DataView(id.buffer).setUint32(0, n + 1)
  return id
}
const newConnectionId = (w: ByteWriter, sequence: number, retirePriorTo: number): void =>
  writeNewConnectionId(w, sequence, retirePriorTo, connectionId(sequence), new Uint8Array(16).fill(sequence))

const stream = (w: ByteWriter, id: number, offset: number, length: number): void => {
  writeStreamHeader(w, id, offset, length, false)
  w.fill(0x61, length)
}

const crypto = (w: ByteWriter, offset: number, length: number): void => {
  writeCryptoHeader(w, offset, length)
  w.fill(0, length)
}

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)

const paths: ReadonlyArray<Attack> = [
  {
    name: "PATH_CHALLENGE flood",
    reference: "CVE-2023-49295, CVE-2023-6193",
    packets: flood(100, (w, n) => writePathChallenge(w, connectionId(n)))
  },
  {
    name: "NEW_CONNECTION_ID churn",
    reference: "CVE-2024-22189",
    packets: flood(20, (w, n) => newConnectionId(w, n + 1, n + 1))
  },
  {
    name: "NEW_CONNECTION_ID below what is retired",
    reference: "CVE-2024-1410",
    packets: flood(20, (w, n) => newConnectionId(w, n === 0 ? 1_000_000 : n, n === 0 ? 1_000_000 : 0))
  },
  {
    name: "RETIRE_CONNECTION_ID churn",
    reference: "RFC 9000 §5.1.2",
    packets: flood(1, (w, n) => writeRetireConnectionId(w, n + 1))
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
    packets: flood(500, (w) => w.copy(bytes(FrameType.DATAGRAM + 1, 0)))
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
  }
]

const acknowledgements: ReadonlyArray<Attack> = [
  {
    name: "ACK of what was never sent",
    reference: "CVE-2025-4820, CVE-2025-4821",
    packets: flood(1, (w) => ackRange(0, 1_000_000)(w)),
    closes: Code.PROTOCOL_VIOLATION
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
    name: "control characters in a reason",
    reference: "CWE-117",
    packets: flood(1, (w) =>
      writeConnectionClose(w, true, 1, 0, new TextEncoder().encode("\u001b[2J\r\nlevel=error forged\u0000"))
    )
  }
]

const handshakes: ReadonlyArray<Attack> = [
  {
    name: "transport parameters cut short",
    reference: "CVE-2026-31812",
    puppet: { rawParameters: (honest) => honest.slice(0, -1) },
    // each asks again why the handshake failed
    packets: (attacker) =>
      Array.from({ length: PACKETS }, () => attacker.packet(Level.Initial, writePing, { size: 1200 })),
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
