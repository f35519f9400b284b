/**
 * What the two sides of a datagram test of `perf` write: the request, the reports, and the head of each datagram; and the
 * figures that follow from the datagrams that arrive.
 */

/** What every path carries, whatever its MTU, and room for number and time. */
export const datagramLimits = {
  minBytes: 16,
  maxBytes: 1100,
  maxMillis: 86_400_000,
  minBitsPerSecond: 1000,
  maxBitsPerSecond: 100_000_000_000
}

export interface DatagramTest {
  readonly direction: "upload" | "download"
  /** Below 65,536; in each datagram, so that late ones of another test do not count. */
  readonly number: number
  /** Of each datagram. */
  readonly bytes: number
  readonly millis: number
  /** 0: as many as congestion control lets through. */
  readonly bitsPerSecond: number
}

export interface DatagramReport {
  readonly isLast: boolean
  /** Of an upload, those that must have been sent, as a later number or the client says; of a download, all. */
  readonly sent: number
  /** Of an upload. */
  readonly received: number
  /** Of an upload. */
  readonly jitterMicros: number
}

export const REQUEST_BYTES = 17
export const REPORT_BYTES = 25
export const COUNT_BYTES = 8

const viewOf = ({ buffer, byteLength, byteOffset }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)

export const encodeTest = (test: DatagramTest): Uint8Array => {
  const bytes = new Uint8Array(REQUEST_BYTES)
  const view = viewOf(bytes)
  view.setUint8(0, test.direction === "upload" ? 0 : 1)
  view.setUint16(1, test.number)
  view.setUint16(3, test.bytes)
  view.setUint32(5, test.millis)
  view.setBigUint64(9, BigInt(test.bitsPerSecond))
  return bytes
}

/** Undefined if a number is out of its range. */
export const decodeTest = (request: Uint8Array): DatagramTest | undefined => {
  const view = viewOf(request)
  const direction = (["upload", "download"] as const)[view.getUint8(0)]
  const bytes = view.getUint16(3)
  const millis = view.getUint32(5)
  const bitsPerSecond = Number(view.getBigUint64(9))
  const { maxBitsPerSecond, maxBytes, maxMillis, minBitsPerSecond, minBytes } = datagramLimits
  const isWithin =
    bytes >= minBytes &&
    bytes <= maxBytes &&
    millis >= 1 &&
    millis <= maxMillis &&
    (bitsPerSecond === 0 || (bitsPerSecond >= minBitsPerSecond && bitsPerSecond <= maxBitsPerSecond))
  return direction === undefined || !isWithin
    ? undefined
    : { direction, number: view.getUint16(1), bytes, millis, bitsPerSecond }
}

export const encodeReport = ({ isLast, jitterMicros, received, sent }: DatagramReport): Uint8Array => {
  const bytes = new Uint8Array(REPORT_BYTES)
  const view = viewOf(bytes)
  view.setUint8(0, isLast ? 1 : 0)
  for (const [i, value] of [sent, received, Math.round(jitterMicros)].entries())
    view.setBigUint64(1 + 8 * i, BigInt(value))
  return bytes
}

export const decodeReport = (bytes: Uint8Array): DatagramReport => {
  const view = viewOf(bytes)
  const [sent, received, jitterMicros] = [1, 9, 17].map((at) => Number(view.getBigUint64(at)))
  return { isLast: view.getUint8(0) === 1, sent, received, jitterMicros }
}

/** What has arrived of one test. */
export class DatagramTally {
  /** One above the highest number. */
  expected = 0
  received = 0
  /** How much the time on the way varies, smoothed; the clocks need not agree. RFC 3550 §6.4.1 */
  jitterMicros = 0
  private readonly test: DatagramTest
  private transitMicros: number | undefined = undefined

  constructor(test: DatagramTest) {
    this.test = test
  }

  take(datagram: Uint8Array, nowMicros: number): void {
    if (datagram.length !== this.test.bytes) return
    const view = viewOf(datagram)
    if (view.getUint16(0) !== this.test.number) return
    this.received++
    this.expected = Math.max(this.expected, getUint48(view, 2) + 1)
    const transit = nowMicros - getUint48(view, 8)
    if (this.transitMicros !== undefined)
      this.jitterMicros += (Math.abs(transit - this.transitMicros) - this.jitterMicros) / 16
    this.transitMicros = transit
  }
}

const getUint48 = (view: DataView, at: number): number =>
  view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2)

const setUint48 = (view: DataView, at: number, value: number): void => {
  view.setUint16(at, Math.floor(value / 2 ** 32) % 2 ** 16)
  view.setUint32(at + 2, value % 2 ** 32)
}

/** A datagram of a test, to be numbered each time it is sent. */
export const datagramOf = ({ bytes, number }: DatagramTest): Uint8Array => {
  const datagram = new Uint8Array(bytes)
  viewOf(datagram).setUint16(0, number)
  return datagram
}

/** Writes number and time into a datagram. */
export const stamp = (datagram: Uint8Array, number: number, nowMicros: number): void => {
  const view = viewOf(datagram)
  setUint48(view, 2, number)
  setUint48(view, 8, nowMicros)
}

export const encodeCount = (count: number): Uint8Array => {
  const bytes = new Uint8Array(COUNT_BYTES)
  viewOf(bytes).setBigUint64(0, BigInt(count))
  return bytes
}

export const decodeCount = (bytes: Uint8Array): number => Number(viewOf(bytes).getBigUint64(0))
