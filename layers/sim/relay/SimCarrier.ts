import type { RelayCarrier } from "../../../src/relay/RelayCarrier.ts"
import type { SimStream } from "../stream/SimStream.ts"

/** Not acknowledged by the client; more waits in the hub's queue, as behind a socket's buffer. */
const maxBufferedBytes = 262_144

/** A client's stream to a simulated relay. */
export class SimCarrier implements RelayCarrier {
  readonly stream: SimStream
  /** Undefined before it is proven. */
  key: Uint8Array | undefined
  /** Asked for each frame of the hub; one that does not pass is not sent. */
  private readonly passes: (carrier: SimCarrier, frame: Uint8Array) => boolean

  constructor(stream: SimStream, passes: (carrier: SimCarrier, frame: Uint8Array) => boolean) {
    this.stream = stream
    this.passes = passes
  }

  get writable(): boolean {
    return this.stream.bufferedBytes <= maxBufferedBytes
  }

  send(frame: Uint8Array): void {
    if (this.passes(this, frame)) this.stream.send(frame)
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  close(): void {
    // what ends it is only heard by one that reads
    this.stream.resume()
    this.stream.end()
  }
}
