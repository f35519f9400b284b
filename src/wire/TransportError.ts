/** Error codes of CONNECTION_CLOSE (0x1c). RFC 9000 §20.1, RFC 9368 §8, draft-ietf-quic-multipath. */
export const TransportErrorCode = {
  NO_ERROR: 0x00,
  INTERNAL_ERROR: 0x01,
  CONNECTION_REFUSED: 0x02,
  FLOW_CONTROL_ERROR: 0x03,
  STREAM_LIMIT_ERROR: 0x04,
  STREAM_STATE_ERROR: 0x05,
  FINAL_SIZE_ERROR: 0x06,
  FRAME_ENCODING_ERROR: 0x07,
  TRANSPORT_PARAMETER_ERROR: 0x08,
  CONNECTION_ID_LIMIT_ERROR: 0x09,
  PROTOCOL_VIOLATION: 0x0a,
  INVALID_TOKEN: 0x0b,
  APPLICATION_ERROR: 0x0c,
  CRYPTO_BUFFER_EXCEEDED: 0x0d,
  KEY_UPDATE_ERROR: 0x0e,
  AEAD_LIMIT_REACHED: 0x0f,
  NO_VIABLE_PATH: 0x10,
  VERSION_NEGOTIATION_ERROR: 0x11,
  /** 0x0100–0x01ff: CRYPTO_ERROR plus a TLS alert. RFC 9001 §4.8 */
  CRYPTO_ERROR: 0x0100
} as const

/**
 * Why a connection must be closed: the code for the wire, and a readable reason.
 * The core returns these; it never throws them.
 */
export class TransportError {
  readonly code: number
  /** The frame type that triggered the error, 0 when unknown. RFC 9000 §19.19 */
  readonly frameType: number
  readonly reason: string

  constructor(code: number, reason: string, frameType = 0) {
    this.code = code
    this.reason = reason
    this.frameType = frameType
  }
}

const names = new Map<number, string>(Object.entries(TransportErrorCode).map(([name, code]) => [code, name]))

/** `FLOW_CONTROL_ERROR`, `CRYPTO_ERROR(40)` or `0x1234`. */
export const transportErrorName = (code: number): string =>
  code >= 0x0100 && code <= 0x01ff
    ? `CRYPTO_ERROR(${code - 0x0100})`
    : (names.get(code) ?? `0x${code.toString(16)}`)
