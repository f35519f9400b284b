/** The quic_transport_parameters extension. RFC 9000 §18 */
import { keepBytes } from "../internal/keepBytes.ts"
import type { Role } from "./Role.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import { ByteReader } from "./ByteReader.ts"
import { ByteWriter, MAX_VARINT, varintSize } from "./ByteWriter.ts"
import { decodePreferredAddress, encodePreferredAddress, type PreferredAddress } from "./PreferredAddress.ts"
import { TransportError, TransportErrorCode } from "./TransportError.ts"

export const TransportParameterId = {
  original_destination_connection_id: 0x00,
  max_idle_timeout: 0x01,
  stateless_reset_token: 0x02,
  max_udp_payload_size: 0x03,
  initial_max_data: 0x04,
  initial_max_stream_data_bidi_local: 0x05,
  initial_max_stream_data_bidi_remote: 0x06,
  initial_max_stream_data_uni: 0x07,
  initial_max_streams_bidi: 0x08,
  initial_max_streams_uni: 0x09,
  ack_delay_exponent: 0x0a,
  max_ack_delay: 0x0b,
  disable_active_migration: 0x0c,
  preferred_address: 0x0d,
  active_connection_id_limit: 0x0e,
  initial_source_connection_id: 0x0f,
  retry_source_connection_id: 0x10,
  version_information: 0x11,
  reset_stream_at: 0x1d,
  max_datagram_frame_size: 0x20,
  initial_max_path_id: 0x3e,
  grease_quic_bit: 0x2ab2,
  address_discovery: 0x9f81a176,
  min_ack_delay: 0xff04de1b,
  max_remote_nat_traversal_addresses: 0x3d7f91120401
} as const

export interface TransportParameters {
  readonly originalDestinationConnectionId?: Uint8Array
  readonly initialSourceConnectionId?: Uint8Array
  readonly retrySourceConnectionId?: Uint8Array
  readonly statelessResetToken?: Uint8Array
  readonly maxIdleTimeoutMillis: number
  readonly maxUdpPayloadSize: number
  readonly initialMaxData: number
  readonly initialMaxStreamDataBidiLocal: number
  readonly initialMaxStreamDataBidiRemote: number
  readonly initialMaxStreamDataUni: number
  readonly initialMaxStreamsBidi: number
  readonly initialMaxStreamsUni: number
  readonly ackDelayExponent: number
  readonly maxAckDelayMillis: number
  readonly disableActiveMigration: boolean
  readonly preferredAddress?: PreferredAddress
  readonly activeConnectionIdLimit: number
  /** RFC 9368 §3 */
  readonly versionInformation?: { readonly chosen: number; readonly available: ReadonlyArray<number> }
  readonly resetStreamAt: boolean
  readonly maxDatagramFrameSize: number
  readonly greaseQuicBit: boolean
  readonly minAckDelayMicros?: number
  /** Present when multipath is offered; 0 for no path beyond the first yet. draft-ietf-quic-multipath */
  readonly initialMaxPathId?: number
  /** 0 provides observations, 1 receives them, 2 does both. draft-ietf-quic-address-discovery */
  readonly addressDiscovery?: number
  /** Present when NAT traversal is offered, at least 1. draft-bruynooghe-n0-quic-nat-traversal */
  readonly maxRemoteNatTraversalAddresses?: number
}

type Mutable = { -readonly [K in keyof TransportParameters]: TransportParameters[K] }

/** The defaults of absent parameters. RFC 9000 §18.2 */
export const defaultTransportParameters: TransportParameters = {
  maxIdleTimeoutMillis: 0,
  maxUdpPayloadSize: 65_527,
  initialMaxData: 0,
  initialMaxStreamDataBidiLocal: 0,
  initialMaxStreamDataBidiRemote: 0,
  initialMaxStreamDataUni: 0,
  initialMaxStreamsBidi: 0,
  initialMaxStreamsUni: 0,
  ackDelayExponent: 3,
  maxAckDelayMillis: 25,
  disableActiveMigration: false,
  activeConnectionIdLimit: 2,
  resetStreamAt: false,
  maxDatagramFrameSize: 0,
  greaseQuicBit: false
}

type NumberKey = { [K in keyof Mutable]-?: Mutable[K] extends number | undefined ? K : never }[keyof Mutable]
type BytesKey = {
  [K in keyof Mutable]-?: Mutable[K] extends Uint8Array | undefined ? K : never
}[keyof Mutable]
type FlagKey = { [K in keyof Mutable]-?: Mutable[K] extends boolean ? K : never }[keyof Mutable]

const Id = TransportParameterId

/** The varint parameters: key, minimum and maximum. RFC 9000 §18.2 #7 */
const numbers = new Map<number, readonly [NumberKey, number, number]>([
  [Id.max_idle_timeout, ["maxIdleTimeoutMillis", 0, Number.POSITIVE_INFINITY]],
  [Id.max_udp_payload_size, ["maxUdpPayloadSize", 1200, Number.POSITIVE_INFINITY]],
  [Id.initial_max_data, ["initialMaxData", 0, Number.POSITIVE_INFINITY]],
  [Id.initial_max_stream_data_bidi_local, ["initialMaxStreamDataBidiLocal", 0, Number.POSITIVE_INFINITY]],
  [Id.initial_max_stream_data_bidi_remote, ["initialMaxStreamDataBidiRemote", 0, Number.POSITIVE_INFINITY]],
  [Id.initial_max_stream_data_uni, ["initialMaxStreamDataUni", 0, Number.POSITIVE_INFINITY]],
  [Id.initial_max_streams_bidi, ["initialMaxStreamsBidi", 0, 2 ** 60]],
  [Id.initial_max_streams_uni, ["initialMaxStreamsUni", 0, 2 ** 60]],
  [Id.ack_delay_exponent, ["ackDelayExponent", 0, 20]],
  [Id.max_ack_delay, ["maxAckDelayMillis", 0, 2 ** 14 - 1]],
  [Id.active_connection_id_limit, ["activeConnectionIdLimit", 2, Number.POSITIVE_INFINITY]],
  [Id.max_datagram_frame_size, ["maxDatagramFrameSize", 0, Number.POSITIVE_INFINITY]],
  [Id.min_ack_delay, ["minAckDelayMicros", 0, 2 ** 24 - 1]],
  [Id.initial_max_path_id, ["initialMaxPathId", 0, 2 ** 32 - 1]],
  [Id.address_discovery, ["addressDiscovery", 0, 2]],
  [Id.max_remote_nat_traversal_addresses, ["maxRemoteNatTraversalAddresses", 1, Number.POSITIVE_INFINITY]]
])

/** The byte string parameters: key, minimum and maximum length, and whether they are server-only. */
const byteStrings = new Map<number, readonly [BytesKey, number, number, boolean]>([
  [Id.original_destination_connection_id, ["originalDestinationConnectionId", 0, 20, true]],
  [Id.stateless_reset_token, ["statelessResetToken", 16, 16, true]],
  [Id.initial_source_connection_id, ["initialSourceConnectionId", 0, 20, false]],
  [Id.retry_source_connection_id, ["retrySourceConnectionId", 0, 20, true]]
])

const flags = new Map<number, FlagKey>([
  [Id.disable_active_migration, "disableActiveMigration"],
  [Id.reset_stream_at, "resetStreamAt"],
  [Id.grease_quic_bit, "greaseQuicBit"]
])

/** The numbers as they are written, for each handshake. */
const numberList = Array.from(numbers, ([id, [key]]) => ({ id, key }))
const flagKeys = [...flags.values()]

/** More than all parameters take. */
const scratch = new Uint8Array(1024)

/**
 * Encodes the parameters that differ from the defaults, each once, and a reserved one as grease; for a client, without
 * server-only ones. RFC 9000 §7.4 #2, §18.1, §18.2 #1 #8
 */
export const encodeTransportParameters = (
  parameters: TransportParameters,
  role: Role,
  random: RandomBytes
): Uint8Array => {
  const w = new ByteWriter(scratch)
  for (let i = 0; i < numberList.length; i++) {
    const { id, key } = numberList[i]
    const value = parameters[key]
    if (value === undefined || value === defaultTransportParameters[key]) continue
    w.varint(id)
    w.varint(varintSize(value))
    w.varint(value)
  }
  for (const [id, [key, , , serverOnly]] of byteStrings) {
    const value = parameters[key]
    if (value === undefined || (serverOnly && role === "client")) continue
    writeBytes(w, id, value)
  }
  for (const [id, key] of flags) {
    if (!parameters[key]) continue
    w.varint(id)
    w.varint(0)
  }
  if (parameters.versionInformation !== undefined) {
    const { chosen, available } = parameters.versionInformation
    w.varint(Id.version_information)
    w.varint(4 + 4 * available.length)
    w.u32(chosen)
    for (const version of available) w.u32(version)
  }
  if (parameters.preferredAddress !== undefined && role === "server")
    writeBytes(w, Id.preferred_address, encodePreferredAddress(parameters.preferredAddress))
  const grease = random(4)
  writeBytes(w, 31 * (1 + grease[0]) + 27, grease.subarray(1, 1 + (grease[0] & 3)))
  return w.bytes.slice(0, w.offset)
}

const writeBytes = (w: ByteWriter, id: number, value: Uint8Array): void => {
  w.varint(id)
  w.varint(value.length)
  w.copy(value)
}

const introductions = [
  "originalDestinationConnectionId",
  "initialSourceConnectionId",
  "retrySourceConnectionId",
  "statelessResetToken",
  "preferredAddress"
] as const satisfies ReadonlyArray<keyof TransportParameters>

/** Those that were kept last, by who had declared them. */
const latest = { client: defaultTransportParameters, server: defaultTransportParameters }

/**
 * Without what is of use only until the handshake is confirmed. What is left is the same for most connections of a process,
 * which share it.
 */
export const withoutIntroductions = (parameters: TransportParameters, from: Role): TransportParameters => {
  if (areAlike(parameters, latest[from])) return latest[from]
  const kept: Mutable = { ...parameters }
  for (const key of introductions) delete kept[key]
  return (latest[from] = kept)
}

/** Whether they differ in introductions only. */
const areAlike = (a: TransportParameters, b: TransportParameters): boolean =>
  numberList.every(({ key }) => a[key] === b[key]) &&
  flagKeys.every((key) => a[key] === b[key]) &&
  a.versionInformation?.chosen === b.versionInformation?.chosen &&
  a.versionInformation?.available.join() === b.versionInformation?.available.join()

/** The version that parameters which were accepted before name as chosen, if any. */
export const readChosenVersion = (bytes: Uint8Array): number | undefined => {
  const r = new ByteReader(bytes)
  while (r.remaining > 0) {
    const id = r.varint()
    const length = r.varint()
    if (id === Id.version_information && length >= 4) {
      const chosen = r.u32()
      return r.failed ? undefined : chosen
    }
    r.skip(length)
    if (r.failed) return undefined
  }
  return undefined
}

/** IANA has registered a few dozen, and duplicates are forbidden. */
const MAX_PARAMETERS = 256

/** RFC 9000 §7.4 #1, §18: rejects duplicates, wrong lengths and ranges, and server-only parameters from a client. */
export const decodeTransportParameters = (
  bytes: Uint8Array,
  from: Role
): TransportParameters | TransportError => {
  const parameters: Mutable = { ...defaultTransportParameters }
  const seen = new Set<number>()
  const r = new ByteReader(bytes)
  const value = new ByteReader()
  while (r.remaining > 0) {
    const id = r.varint()
    const length = r.varint()
    const start = r.skip(length)
    if (r.failed) return refuse("they are cut short")
    if (id > MAX_VARINT) continue // unknown, and rounded as a double
    if (seen.has(id)) return refuse(`0x${id.toString(16)} appears twice`) // RFC 9000 §7.4 #S1
    seen.add(id)
    if (seen.size > MAX_PARAMETERS) return refuse(`there are more than ${MAX_PARAMETERS}`)
    const error = decodeOne(parameters, id, value.reset(bytes, start, start + length), from)
    if (error !== undefined) return error
  }
  const { minAckDelayMicros, maxAckDelayMillis, versionInformation } = parameters
  // draft-ietf-quic-ack-frequency §3
  if (minAckDelayMicros !== undefined && minAckDelayMicros > maxAckDelayMillis * 1000)
    return refuse("min_ack_delay is above max_ack_delay")
  // RFC 9000 §18.2 #3 #5: not from a server with a zero-length connection ID
  if (parameters.preferredAddress !== undefined && parameters.initialSourceConnectionId?.length === 0)
    return refuse("preferred_address without connection IDs")
  // RFC 9368 §4: from a client, a Chosen Version missing in Available Versions is a parsing failure
  if (
    from === "client" &&
    versionInformation !== undefined &&
    !versionInformation.available.includes(versionInformation.chosen)
  )
    return refuse("version_information chooses what it does not offer")
  return parameters
}

const decodeOne = (
  parameters: Mutable,
  id: number,
  value: ByteReader,
  from: Role
): TransportError | undefined => {
  const number = numbers.get(id)
  if (number !== undefined) {
    const [key, least, greatest] = number
    const read = value.varint()
    if (value.failed || value.remaining > 0) return refuse(`${key} is not one integer`)
    if (read < least || read > greatest) return refuse(`${key} is ${read}`)
    parameters[key] = Math.min(read, MAX_VARINT)
    return undefined
  }
  const byteString = byteStrings.get(id)
  if (byteString !== undefined) {
    const [key, least, greatest, serverOnly] = byteString
    // RFC 9000 §18.2 #9
    if (serverOnly && from === "client") return refuse(`${key} from a client`)
    if (value.remaining < least || value.remaining > greatest)
      return refuse(`${key} has ${value.remaining} bytes`)
    parameters[key] = keepBytes(value.bytes, value.offset, value.end)
    return undefined
  }
  const flag = flags.get(id)
  if (flag !== undefined) {
    if (value.remaining > 0) return refuse(`${flag} has a value`)
    parameters[flag] = true
    return undefined
  }
  if (id === Id.version_information) return decodeVersionInformation(parameters, value)
  if (id === Id.preferred_address) {
    if (from === "client") return refuse("preferred_address from a client")
    const preferred = decodePreferredAddress(value)
    if (preferred === undefined) return refuse("preferred_address is malformed")
    parameters.preferredAddress = preferred
  }
  return undefined // RFC 9000 §7.4.2: unknown parameters are ignored
}

// RFC 9368 §4: a length that is no multiple of four, or a zero version, is a TRANSPORT_PARAMETER_ERROR
const decodeVersionInformation = (parameters: Mutable, value: ByteReader): TransportError | undefined => {
  if (value.remaining < 4 || value.remaining % 4 !== 0) return refuse("version_information is malformed")
  const chosen = value.u32()
  const available = Array.from({ length: value.remaining / 4 }, () => value.u32())
  if (chosen === 0 || available.includes(0)) return refuse("version_information names version 0")
  parameters.versionInformation = { chosen, available }
  return undefined
}

const refuse = (problem: string): TransportError =>
  new TransportError(TransportErrorCode.TRANSPORT_PARAMETER_ERROR, `transport parameters: ${problem}`)
