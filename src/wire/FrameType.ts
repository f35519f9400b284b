import { PacketType } from "./PacketType.ts"

/** Frame types. RFC 9000 §19, RFC 9221 §4, and the extensions' drafts. */
export const FrameType = {
  PADDING: 0x00,
  PING: 0x01,
  ACK: 0x02,
  ACK_ECN: 0x03,
  RESET_STREAM: 0x04,
  STOP_SENDING: 0x05,
  CRYPTO: 0x06,
  NEW_TOKEN: 0x07,
  /** 0x08 … 0x0f: with the bits OFF 0x04, LEN 0x02 and FIN 0x01 */
  STREAM: 0x08,
  MAX_DATA: 0x10,
  MAX_STREAM_DATA: 0x11,
  MAX_STREAMS_BIDI: 0x12,
  MAX_STREAMS_UNI: 0x13,
  DATA_BLOCKED: 0x14,
  STREAM_DATA_BLOCKED: 0x15,
  STREAMS_BLOCKED_BIDI: 0x16,
  STREAMS_BLOCKED_UNI: 0x17,
  NEW_CONNECTION_ID: 0x18,
  RETIRE_CONNECTION_ID: 0x19,
  PATH_CHALLENGE: 0x1a,
  PATH_RESPONSE: 0x1b,
  CONNECTION_CLOSE: 0x1c,
  APPLICATION_CLOSE: 0x1d,
  HANDSHAKE_DONE: 0x1e,
  IMMEDIATE_ACK: 0x1f,
  RESET_STREAM_AT: 0x24,
  DATAGRAM: 0x30,
  DATAGRAM_LEN: 0x31,
  PATH_ACK: 0x3e,
  PATH_ACK_ECN: 0x3f,
  ACK_FREQUENCY: 0xaf,
  PATH_ABANDON: 0x3e75,
  PATH_STATUS_BACKUP: 0x3e76,
  PATH_STATUS_AVAILABLE: 0x3e77,
  PATH_NEW_CONNECTION_ID: 0x3e78,
  PATH_RETIRE_CONNECTION_ID: 0x3e79,
  MAX_PATH_ID: 0x3e7a,
  PATHS_BLOCKED: 0x3e7b,
  PATH_CIDS_BLOCKED: 0x3e7c,
  ADD_ADDRESS: 0x3d7f90,
  ADD_ADDRESS_V6: 0x3d7f91,
  REACH_OUT: 0x3d7f92,
  REACH_OUT_V6: 0x3d7f93,
  REMOVE_ADDRESS: 0x3d7f94,
  OBSERVED_ADDRESS: 0x9f81a6,
  OBSERVED_ADDRESS_V6: 0x9f81a7
} as const

/** The extensions frames belong to: a bit set. */
export const FrameExtension = {
  none: 0,
  datagram: 1,
  resetStreamAt: 2,
  ackFrequency: 4,
  multipath: 8,
  addressDiscovery: 16,
  natTraversal: 32,
  all: 63
} as const

/** The properties of all frames of a type. */
export interface FrameProperties {
  readonly type: number
  /** The qlog name; types that differ in flags only share one. */
  readonly name: string
  /** The packet types that may carry it: a bit `1 << PacketType` each. RFC 9000 §12.4 #3 */
  readonly packets: number
  /** The packet must be acknowledged. RFC 9000 §13.2 */
  readonly ackEliciting: boolean
  /** It does not cause the peer to follow a migration. RFC 9000 §9.1 */
  readonly probing: boolean
  readonly sender: "both" | "server" | "client"
  /** One bit of `FrameExtension`, or none. */
  readonly extension: number
}

const packetLetters = {
  I: 1 << PacketType.Initial,
  H: 1 << PacketType.Handshake,
  "0": 1 << PacketType.ZeroRtt,
  "1": 1 << PacketType.OneRtt,
  _: 0
}
type Letter = keyof typeof packetLetters

/**
 * `packets` and `notes` are the columns Pkts and Spec of RFC 9000 §12.4, Table 3: N for not ack-eliciting, P for
 * probing; plus S for server-only and C for client-only.
 */
const frame = (
  type: number,
  name: string,
  packets: `${Letter}${Letter}${Letter}${Letter}`,
  notes = "",
  extension: number = FrameExtension.none
): FrameProperties => ({
  type,
  name,
  packets: [...packets].reduce((bits, letter) => bits | packetLetters[letter as Letter], 0),
  ackEliciting: !notes.includes("N"),
  probing: notes.includes("P"),
  sender: notes.includes("S") ? "server" : notes.includes("C") ? "client" : "both",
  extension
})

const F = FrameType
const { datagram, resetStreamAt, ackFrequency, multipath, addressDiscovery, natTraversal } = FrameExtension

/** All frame types. */
export const frameTable: ReadonlyArray<FrameProperties> = [
  frame(F.PADDING, "padding", "IH01", "NP"),
  frame(F.PING, "ping", "IH01"),
  frame(F.ACK, "ack", "IH_1", "N"),
  frame(F.ACK_ECN, "ack", "IH_1", "N"),
  frame(F.RESET_STREAM, "reset_stream", "__01"),
  frame(F.STOP_SENDING, "stop_sending", "__01"),
  frame(F.CRYPTO, "crypto", "IH_1"), // RFC 9001 §8.3 #2: not in 0-RTT
  frame(F.NEW_TOKEN, "new_token", "___1", "S"), // RFC 9000 §19.7 #4
  ...Array.from({ length: 8 }, (_, flags) => frame(F.STREAM | flags, "stream", "__01")),
  frame(F.MAX_DATA, "max_data", "__01"),
  frame(F.MAX_STREAM_DATA, "max_stream_data", "__01"),
  frame(F.MAX_STREAMS_BIDI, "max_streams", "__01"),
  frame(F.MAX_STREAMS_UNI, "max_streams", "__01"),
  frame(F.DATA_BLOCKED, "data_blocked", "__01"),
  frame(F.STREAM_DATA_BLOCKED, "stream_data_blocked", "__01"),
  frame(F.STREAMS_BLOCKED_BIDI, "streams_blocked", "__01"),
  frame(F.STREAMS_BLOCKED_UNI, "streams_blocked", "__01"),
  frame(F.NEW_CONNECTION_ID, "new_connection_id", "__01", "P"),
  // RFC 9000 §12.5: a client has no reason to send it in 0-RTT, so a server may refuse it there
  frame(F.RETIRE_CONNECTION_ID, "retire_connection_id", "___1"),
  frame(F.PATH_CHALLENGE, "path_challenge", "__01", "P"),
  frame(F.PATH_RESPONSE, "path_response", "___1", "P"),
  frame(F.CONNECTION_CLOSE, "connection_close", "IH01", "N"),
  frame(F.APPLICATION_CLOSE, "connection_close", "__01", "N"),
  frame(F.HANDSHAKE_DONE, "handshake_done", "___1", "S"), // RFC 9000 §19.20 #2
  // draft-ietf-quic-ack-frequency §3: min_ack_delay is not remembered, so never in 0-RTT
  frame(F.IMMEDIATE_ACK, "immediate_ack", "___1", "", ackFrequency),
  frame(F.RESET_STREAM_AT, "reset_stream_at", "__01", "", resetStreamAt),
  frame(F.DATAGRAM, "datagram", "__01", "", datagram),
  frame(F.DATAGRAM_LEN, "datagram", "__01", "", datagram),
  frame(F.ACK_FREQUENCY, "ack_frequency", "___1", "", ackFrequency),
  // draft-ietf-quic-multipath §4: in 1-RTT packets only
  frame(F.PATH_ACK, "path_ack", "___1", "N", multipath),
  frame(F.PATH_ACK_ECN, "path_ack", "___1", "N", multipath),
  frame(F.PATH_ABANDON, "path_abandon", "___1", "", multipath),
  frame(F.PATH_STATUS_BACKUP, "path_status_backup", "___1", "", multipath),
  frame(F.PATH_STATUS_AVAILABLE, "path_status_available", "___1", "", multipath),
  frame(F.PATH_NEW_CONNECTION_ID, "path_new_connection_id", "___1", "P", multipath),
  frame(F.PATH_RETIRE_CONNECTION_ID, "path_retire_connection_id", "___1", "", multipath),
  frame(F.MAX_PATH_ID, "max_path_id", "___1", "", multipath),
  frame(F.PATHS_BLOCKED, "paths_blocked", "___1", "", multipath),
  frame(F.PATH_CIDS_BLOCKED, "path_cids_blocked", "___1", "", multipath),
  // draft-bruynooghe-n0-quic-nat-traversal
  frame(F.ADD_ADDRESS, "add_address", "___1", "S", natTraversal),
  frame(F.ADD_ADDRESS_V6, "add_address", "___1", "S", natTraversal),
  frame(F.REACH_OUT, "reach_out", "___1", "C", natTraversal),
  frame(F.REACH_OUT_V6, "reach_out", "___1", "C", natTraversal),
  frame(F.REMOVE_ADDRESS, "remove_address", "___1", "S", natTraversal),
  // draft-ietf-quic-address-discovery: in 0-RTT too, as its parameter is remembered
  frame(F.OBSERVED_ADDRESS, "observed_address", "__01", "P", addressDiscovery),
  frame(F.OBSERVED_ADDRESS_V6, "observed_address", "__01", "P", addressDiscovery)
]

/** The properties of a type as one number: `packets` in bits 0 … 5, then these, then the extension. */
export const FrameFlag = {
  ackEliciting: 0x40,
  nonProbing: 0x80,
  serverOnly: 0x100,
  clientOnly: 0x200
} as const
const EXTENSION_SHIFT = 10

export const extensionFlags = (extensions: number): number => extensions << EXTENSION_SHIFT

const flagsOf = (properties: FrameProperties): number =>
  properties.packets |
  (properties.ackEliciting ? FrameFlag.ackEliciting : 0) |
  (properties.probing ? 0 : FrameFlag.nonProbing) |
  (properties.sender === "server" ? FrameFlag.serverOnly : 0) |
  (properties.sender === "client" ? FrameFlag.clientOnly : 0) |
  extensionFlags(properties.extension)

/** Unknown types pass the permission check, to be rejected as unknown and not as misplaced. */
const UNKNOWN = 0x0f | FrameFlag.ackEliciting | FrameFlag.nonProbing

const oneByteTypes = new Uint16Array(0x40).fill(UNKNOWN)
const longerTypes = new Map<number, number>()
for (const properties of frameTable) {
  if (properties.type < oneByteTypes.length) oneByteTypes[properties.type] = flagsOf(properties)
  else longerTypes.set(properties.type, flagsOf(properties))
}

export const frameFlags = (type: number): number =>
  type < oneByteTypes.length ? oneByteTypes[type] : (longerTypes.get(type) ?? UNKNOWN)

/** The properties of a type; undefined if unknown. Too slow for the hot path, which uses `frameFlags`. */
export const frameProperties = (type: number): FrameProperties | undefined =>
  frameTable.find((properties) => properties.type === type)
