import { TransportErrorCode, transportErrorName } from "../wire/TransportError.ts"

/** An error code by its qlog name in `field`, or as a number if it has none. qlog-quic-events §8.13.24 */
export const errorFields = (
  field: string,
  application: boolean,
  code: number
): Readonly<Record<string, unknown>> => {
  if (!application && code <= TransportErrorCode.NO_VIABLE_PATH)
    return { [field]: transportErrorName(code).toLowerCase() }
  if (!application && code >= 0x100 && code <= 0x1ff)
    return { [field]: `crypto_error_0x${code.toString(16)}` }
  return { [field]: "unknown", error_code: code }
}
