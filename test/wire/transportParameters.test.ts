import type { Role } from "../../src/wire/Role.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ByteReader } from "../../src/wire/ByteReader.ts"
import { ByteWriter, MAX_VARINT, varintSize } from "../../src/wire/ByteWriter.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../../src/wire/TransportError.ts"
import {
  decodeTransportParameters,
  defaultTransportParameters,
  encodeTransportParameters,
  readChosenVersion,
  TransportParameterId as Id,
  type TransportParameters
} from "../../src/wire/TransportParameters.ts"
import { fromHex, toHex } from "./recordingSink.ts"

const random = (length: number) => new Uint8Array(length).fill(7)
const id = (minLength: number) => fc.uint8Array({ minLength, maxLength: 20 })
const token = fc.uint8Array({ minLength: 16, maxLength: 16 })
const limit = fc.oneof(fc.nat(63), fc.nat(70_000), fc.maxSafeNat())

const versions = fc
  .tuple(fc.constantFrom(Version.v1, Version.v2), fc.array(fc.integer({ min: 1, max: 0xffff_ffff })))
  .map(([chosen, others]) => ({ chosen, available: [chosen, ...others] }))

const preferredAddress = fc
  .tuple(fc.ipV4(), fc.ipV6(), fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 3 }))
  .chain(([v4, v6, port, families]) =>
    fc.record({
      ipv4: fc.constant(families & 1 ? { host: v4, port, family: 4 as const } : undefined),
      ipv6: fc.constant(families & 2 ? { host: canonical(v6), port, family: 6 as const } : undefined),
      connectionId: id(1),
      statelessResetToken: token
    })
  )

/** The canonical form of RFC 5952, as produced by WHATWG URLs, which write IPv4 tails in hex. */
const canonical = (host: string): string => new URL(`http://[${host}]/`).hostname.slice(1, -1)

/** Parameters either role may send. */
const common = {
  initialSourceConnectionId: id(1),
  maxIdleTimeoutMillis: limit,
  maxUdpPayloadSize: limit.map((size) => Math.max(1200, size)),
  initialMaxData: limit,
  initialMaxStreamDataBidiLocal: limit,
  initialMaxStreamDataBidiRemote: limit,
  initialMaxStreamDataUni: limit,
  initialMaxStreamsBidi: limit,
  initialMaxStreamsUni: limit,
  ackDelayExponent: fc.nat(20),
  maxAckDelayMillis: fc.nat(2 ** 14 - 1),
  disableActiveMigration: fc.boolean(),
  activeConnectionIdLimit: limit.map((count) => Math.max(2, count)),
  versionInformation: versions,
  resetStreamAt: fc.boolean(),
  maxDatagramFrameSize: limit,
  initialMaxPathId: fc.nat(0xffff_ffff),
  addressDiscovery: fc.nat(2),
  maxRemoteNatTraversalAddresses: limit.map((count) => Math.max(1, count)),
  greaseQuicBit: fc.boolean()
}

const serverOnly = {
  originalDestinationConnectionId: id(0),
  retrySourceConnectionId: id(0),
  statelessResetToken: token,
  preferredAddress
}

const withDefaults = (parameters: Partial<TransportParameters>): TransportParameters => ({
  ...defaultTransportParameters,
  ...parameters
})

/** One parameter, with its value in hex. */
const parameter = (key: number, value: string): string => {
  const w = new ByteWriter(new Uint8Array(16))
  w.varint(key)
  w.varint(value.length / 2)
  return toHex(w.bytes, 0, w.offset) + value
}

const integer = (key: number, value: number): string => {
  const w = new ByteWriter(new Uint8Array(8))
  w.varint(value)
  return parameter(key, toHex(w.bytes, 0, varintSize(value)))
}

const decode = (hex: string, from: Role = "server") => decodeTransportParameters(fromHex(hex), from)

const refusal = (reason: string) =>
  new TransportError(TransportErrorCode.TRANSPORT_PARAMETER_ERROR, `transport parameters: ${reason}`)

describe("transport parameters", () => {
  it("of a server survive a round trip", () => {
    const server = fc.record({ ...common, ...serverOnly }, { requiredKeys: [] }).map(withDefaults)
    fc.assert(
      fc.property(server, (parameters) => {
        const bytes = encodeTransportParameters(parameters, "server", random)
        expect(decodeTransportParameters(bytes, "server")).toEqual(parameters)
      })
    )
  })

  // RFC 9000 §18.2 #1 #8
  it("of a client do too, except those only a server sends", () => {
    const keys = fc.record(common, { requiredKeys: [] }).map(withDefaults)
    fc.assert(
      fc.property(keys, fc.record(serverOnly, { requiredKeys: [] }), (parameters, more) => {
        const bytes = encodeTransportParameters({ ...parameters, ...more }, "client", random)
        expect(decodeTransportParameters(bytes, "client")).toEqual(parameters)
      })
    )
  })

  it.each(["::", "::1", "2001:db8::1", "1:0:0:2::3", "1::", "1:0:2:3:4:5:6:7"])(
    "report the IPv6 address %s in canonical form",
    (host) => {
      const parameters = withDefaults({
        preferredAddress: {
          ipv4: undefined,
          ipv6: { host, port: 443, family: 6 },
          connectionId: Uint8Array.of(1),
          statelessResetToken: new Uint8Array(16)
        }
      })
      const bytes = encodeTransportParameters(parameters, "server", random)
      expect(decodeTransportParameters(bytes, "server")).toEqual(parameters)
    }
  )

  it("carry min_ack_delay", () => {
    const parameters = withDefaults({ minAckDelayMicros: 25_000 })
    const bytes = encodeTransportParameters(parameters, "client", random)
    expect(decodeTransportParameters(bytes, "client")).toEqual(parameters)
  })

  it("have the defaults of RFC 9000 §18.2 when there are none", () => {
    expect(decode("")).toEqual(defaultTransportParameters)
  })

  // RFC 9000 §7.4 #2
  it("include one reserved parameter, whatever the random bytes", () => {
    // RFC 9000 §18.1
    for (let first = 0; first < 256; first++) {
      const bytes = encodeTransportParameters(defaultTransportParameters, "client", () =>
        Uint8Array.of(first, 1, 2, 3)
      )
      expect((new ByteReader(bytes).varint() - 27) % 31).toBe(0)
      expect(decodeTransportParameters(bytes, "server")).toEqual(defaultTransportParameters)
    }
  })

  it("distinguish multipath with a maximum path ID of 0 from no multipath", () => {
    expect(decode(integer(Id.initial_max_path_id, 0))).toEqual(withDefaults({ initialMaxPathId: 0 }))
    expect(decode("")).not.toHaveProperty("initialMaxPathId")
  })

  it("distinguish two adjacent IDs that round to the same double", () => {
    // reserved IDs reach 2^62 (RFC 9000 §18.1), where doubles are 512 apart
    const [one, other] = ["ffffffffffffff00", "ffffffffffffff01"]
    expect(decode(`${one}00${other}00`)).toEqual(defaultTransportParameters)
  })

  // RFC 9000 §7.4.2 #1
  it("ignore unknown parameters", () => {
    expect(decode(parameter(0x3abc, "aabbcc") + integer(Id.initial_max_data, 9))).toEqual(
      withDefaults({ initialMaxData: 9 })
    )
  })

  it("saturate limits beyond the safe integers", () => {
    expect(decode(parameter(Id.initial_max_data, "ffffffffffffffff"))).toEqual(
      withDefaults({ initialMaxData: MAX_VARINT })
    )
  })

  it("copy what they keep, so that the buffer may be reused", () => {
    const bytes = fromHex(parameter(Id.initial_source_connection_id, "aabb"))
    const parameters = decodeTransportParameters(bytes, "client") as TransportParameters
    bytes.fill(0)
    expect(toHex(parameters.initialSourceConnectionId!)).toBe("aabb")
  })

  it("accept the extreme values the RFC allows", () => {
    const allowed: ReadonlyArray<readonly [number, number]> = [
      [Id.max_udp_payload_size, 1200],
      [Id.initial_max_streams_bidi, MAX_VARINT],
      [Id.ack_delay_exponent, 20],
      [Id.max_ack_delay, 2 ** 14 - 1],
      [Id.active_connection_id_limit, 2],
      [Id.min_ack_delay, 25_000]
    ]
    for (const [key, value] of allowed)
      expect([key, decode(integer(key, value))]).not.toContainEqual(expect.any(TransportError))
    expect(decode(parameter(Id.initial_max_streams_uni, "d000000000000000"))).toMatchObject({
      initialMaxStreamsUni: MAX_VARINT // 2^60, saturated
    })
  })
})

describe("TRANSPORT_PARAMETER_ERROR is reported for", () => {
  it("parameters truncated at any byte that is not a boundary", () => {
    const first = integer(Id.initial_max_data, 70_000)
    const whole = first + parameter(Id.stateless_reset_token, "00".repeat(16))
    for (let cut = 2; cut < whole.length; cut += 2) {
      if (cut === first.length) continue
      expect([cut, decode(whole.slice(0, cut))]).toEqual([cut, refusal("they are cut short")])
    }
  })

  // RFC 9000 §7.4 #S1
  it("a parameter that appears twice, known or not", () => {
    // RFC 9000 §7.4
    expect(decode(integer(4, 1) + integer(4, 1))).toEqual(refusal("0x4 appears twice"))
    expect(decode(parameter(0x3abc, "") + parameter(0x3abc, "00"))).toEqual(refusal("0x3abc appears twice"))
  })

  it.each([
    ["max_udp_payload_size below 1200", Id.max_udp_payload_size, 1199, "maxUdpPayloadSize is 1199"],
    ["ack_delay_exponent above 20", Id.ack_delay_exponent, 21, "ackDelayExponent is 21"],
    ["max_ack_delay of 2^14", Id.max_ack_delay, 2 ** 14, "maxAckDelayMillis is 16384"],
    ["active_connection_id_limit of 1", Id.active_connection_id_limit, 1, "activeConnectionIdLimit is 1"],
    ["active_connection_id_limit of 0", Id.active_connection_id_limit, 0, "activeConnectionIdLimit is 0"],
    ["min_ack_delay of 2^24", Id.min_ack_delay, 2 ** 24, "minAckDelayMicros is 16777216"],
    ["initial_max_path_id of 2^32", Id.initial_max_path_id, 2 ** 32, "initialMaxPathId is 4294967296"],
    ["address_discovery of 3", Id.address_discovery, 3, "addressDiscovery is 3"],
    [
      "max_remote_nat_traversal_addresses of 0",
      Id.max_remote_nat_traversal_addresses,
      0,
      "maxRemoteNatTraversalAddresses is 0"
    ],
    ["min_ack_delay above max_ack_delay", Id.min_ack_delay, 25_001, "min_ack_delay is above max_ack_delay"]
  ])("%s", (_, key, value, reason) => {
    expect(decode(integer(key, value))).toEqual(refusal(reason))
  })

  // RFC 9000 §4.6 #1
  it("more than 2^60 streams", () => {
    for (const key of [Id.initial_max_streams_bidi, Id.initial_max_streams_uni])
      expect(decode(parameter(key, "d000000000000001"))).toMatchObject({
        code: TransportErrorCode.TRANSPORT_PARAMETER_ERROR
      })
  })

  it("an integer that is truncated, empty or has trailing bytes", () => {
    for (const value of ["", "40", "0000", "c0000000"])
      expect(decode(parameter(Id.initial_max_data, value))).toEqual(
        refusal("initialMaxData is not one integer")
      )
  })

  it("connection IDs and tokens of a wrong length", () => {
    const long = "aa".repeat(21)
    expect(decode(parameter(Id.original_destination_connection_id, long))).toEqual(
      refusal("originalDestinationConnectionId has 21 bytes")
    )
    expect(decode(parameter(Id.initial_source_connection_id, long))).toEqual(
      refusal("initialSourceConnectionId has 21 bytes")
    )
    expect(decode(parameter(Id.retry_source_connection_id, long))).toEqual(
      refusal("retrySourceConnectionId has 21 bytes")
    )
    for (const length of [0, 15, 17])
      expect(decode(parameter(Id.stateless_reset_token, "00".repeat(length)))).toEqual(
        refusal(`statelessResetToken has ${length} bytes`)
      )
  })

  it("a flag with a value", () => {
    expect(decode(parameter(Id.disable_active_migration, "01"))).toEqual(
      refusal("disableActiveMigration has a value")
    )
    expect(decode(parameter(Id.grease_quic_bit, "00"))).toEqual(refusal("greaseQuicBit has a value"))
    expect(decode(parameter(Id.reset_stream_at, "00"))).toEqual(refusal("resetStreamAt has a value"))
  })

  it("a server-only parameter from a client", () => {
    // RFC 9000 §18.2 #9
    const preferred = `${"00".repeat(24)}01aa${"00".repeat(16)}`
    for (const [key, value, name] of [
      [Id.original_destination_connection_id, "aa", "originalDestinationConnectionId"],
      [Id.retry_source_connection_id, "aa", "retrySourceConnectionId"],
      [Id.stateless_reset_token, "00".repeat(16), "statelessResetToken"],
      [Id.preferred_address, preferred, "preferred_address"]
    ] as const) {
      expect(decode(parameter(key, value), "server")).not.toBeInstanceOf(TransportError)
      expect(decode(parameter(key, value), "client")).toEqual(refusal(`${name} from a client`))
    }
  })

  it("version information that cannot be parsed", () => {
    // RFC 9368 §4
    for (const value of ["", "000000", "0000000100"])
      expect(decode(parameter(Id.version_information, value))).toEqual(
        refusal("version_information is malformed")
      )
    for (const value of ["00000000" + "00000001", "00000001" + "00000000"])
      expect(decode(parameter(Id.version_information, value))).toEqual(
        refusal("version_information names version 0")
      )
  })

  it("a client whose chosen version is not among those it offers", () => {
    const offered = parameter(Id.version_information, "000000016b3343cf")
    expect(decode(offered, "client")).toEqual(refusal("version_information chooses what it does not offer"))
    expect(decode(offered, "server")).not.toBeInstanceOf(TransportError)
  })

  // RFC 9000 §18.2 #5
  it("a preferred address that is malformed, or without a connection ID", () => {
    const addresses = "00".repeat(24)
    const end = "00".repeat(16)
    for (const value of ["", addresses, `${addresses}00${end}`, `${addresses}15${"aa".repeat(21)}${end}`])
      expect(decode(parameter(Id.preferred_address, value))).toEqual(
        refusal("preferred_address is malformed")
      )
    for (const value of [`${addresses}01aa${end}00`, `${addresses}01aa${end.slice(2)}`])
      expect(decode(parameter(Id.preferred_address, value))).toEqual(
        refusal("preferred_address is malformed")
      )
  })

  // RFC 9000 §18.2 #5
  it("a preferred address from a server with an empty connection ID", () => {
    const preferred = parameter(Id.preferred_address, `${"00".repeat(24)}01aa${"00".repeat(16)}`)
    const noId = parameter(Id.initial_source_connection_id, "")
    expect(decode(preferred + noId)).toEqual(refusal("preferred_address without connection IDs"))
    expect(decode(noId + preferred)).toEqual(refusal("preferred_address without connection IDs"))
  })
})

describe("the version that parameters name as chosen", () => {
  it("is what decoding them finds, and nothing is found beyond their end", () => {
    fc.assert(
      fc.property(fc.option(versions, { nil: undefined }), fc.nat(200), (versionInformation, cut) => {
        const given = versionInformation && { versionInformation }
        const parameters = { ...defaultTransportParameters, maxIdleTimeoutMillis: 70_000, ...given }
        const bytes = encodeTransportParameters(parameters, "server", random)
        expect(readChosenVersion(bytes)).toBe(versionInformation?.chosen)
        const short = readChosenVersion(bytes.subarray(0, Math.max(0, bytes.length - cut)))
        expect([undefined, versionInformation?.chosen]).toContain(short)
      })
    )
  })
})
