import type { FrameContext } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import type { DatagramQueue } from "./DatagramQueue.ts"
import type { StreamSet } from "./StreamSet.ts"

const ANY = Number.NEGATIVE_INFINITY

/**
 * Shares packets between streams and datagrams: the higher priority first, whichever kind it is of. At equal priorities they
 * begin packets in turn, and the other kind gets the room that is left: a saturated link is shared, and a datagram waits
 * for one packet of stream data at most. RFC 9221 §5 #S1
 *
 * What streams say about themselves and their credit is small and comes before either: behind datagrams that fill each
 * packet, it would keep the peer from sending.
 */
export class DataScheduler {
  private readonly datagrams: DatagramQueue
  private readonly streams: StreamSet
  /** Whose turn it is at equal priorities. */
  private datagramsFirst = true

  constructor(datagrams: DatagramQueue, streams: StreamSet) {
    this.datagrams = datagrams
    this.streams = streams
  }

  /** Whether any may be sent on the path that is asked. */
  hasFrames(): boolean {
    return this.streams.hasControlFrames || this.hasData()
  }

  /** The same, without what streams say about themselves. */
  hasData(): boolean {
    return this.streams.sendPriority > ANY || this.datagrams.sendPriority > ANY
  }

  writeFrames(w: ByteWriter, sent: SentFrames, context: FrameContext): void {
    this.streams.writeControlFrames(w, sent, context)
    this.writeData(w, sent, context)
  }

  writeData(w: ByteWriter, sent: SentFrames, context: FrameContext): void {
    const { datagrams, streams, datagramsFirst } = this
    for (;;) {
      const ofDatagrams = datagrams.sendPriority
      const ofStreams = streams.sendPriority
      if (ofDatagrams === ANY) return streams.writeData(w, sent, ANY)
      if (ofStreams === ANY) return datagrams.writeFrames(w, sent, context)
      const isTie = ofDatagrams === ofStreams
      const goDatagrams = isTie ? datagramsFirst : ofDatagrams > ofStreams
      const start = w.offset
      if (goDatagrams) datagrams.writeFrames(w, sent, context, ofStreams)
      else streams.writeData(w, sent, ofDatagrams)
      // the first has no room for its next: what is left is for the other
      if (w.offset === start)
        return goDatagrams ? streams.writeData(w, sent, ANY) : datagrams.writeFrames(w, sent, context)
      if (isTie) this.datagramsFirst = !datagramsFirst
    }
  }
}
