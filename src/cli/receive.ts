/** `effect-quic receive` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Argument, Command, Flag } from "effect/cli"
import { CryptoSuite } from "../capability/CryptoSuite.ts"
import { monotonicMicros } from "../capability/TimerClock.ts"
import { printable } from "../internal/printable.ts"
import { QuicError } from "../QuicError.ts"
import { Sender } from "../transfer/askSender.ts"
import type { Offer } from "../transfer/offer.ts"
import { transferAlpn } from "../transfer/requests.ts"
import { parseTicket, type TransferTicket } from "../transfer/ticket.ts"
import { CliHost } from "./CliHost.ts"
import { reach } from "./reach.ts"
import { ReceivedFiles } from "./receivedFiles.ts"
import { fetchAll, fetchToOutput, Receipt } from "./receiving.ts"
import { withProgress } from "./ProgressBar.ts"
import { reported } from "./report.ts"
import { formatBytes, formatCount, formatMillis, formatRate } from "./units.ts"

interface ReceiveOptions {
  readonly output: string
  readonly force: boolean
  readonly retry: number
}

/** Whether the connection ended in a way that another one may not. */
const isLoss = (error: unknown): boolean =>
  error instanceof QuicError &&
  ["ConnectFailed", "HandshakeTimeout", "IdleTimeout", "StatelessReset", "Unreachable"].includes(
    error.reason._tag
  )

const describeOffered = ({ entries }: Offer): string =>
  entries.length === 1 ? printable(entries[0].path) : formatCount(entries.length, "file")

/** Connects and fetches, and again when the connection was lost, for as long as that brings something. */
const receiveAll = Effect.fnUntraced(function* (
  ticket: TransferTicket,
  options: ReceiveOptions,
  receipt: Receipt,
  onOffer: (offer: Offer) => void
) {
  const suite = yield* CryptoSuite
  let chunksWritten = 0
  const nowMicros = yield* monotonicMicros
  let lastNews = nowMicros()
  let hadConnection = false
  const attempt = Effect.gen(function* () {
    const connection = yield* reach(ticket.address, transferAlpn)
    hadConnection = true
    const sender = new Sender(connection, ticket.offer)
    const offer = yield* sender.offered
    onOffer(offer)
    receipt.begin(offer)
    if (options.output === "-")
      yield* fetchToOutput({ sender, receipt }, offer, chunksWritten, () => chunksWritten++)
    else {
      const files = yield* ReceivedFiles.in(options.output, (bytes) => suite.hash("sha256", bytes))
      yield* fetchAll({ sender, files, receipt, mayReplace: options.force }, offer)
    }
    // all is here, whatever becomes of the connection
    yield* Effect.ignore(Effect.timeout(sender.received, 5_000))
    return offer
  }).pipe(Effect.scoped)
  for (let before = 0; ; ) {
    const tried = yield* Effect.result(attempt)
    if (tried._tag === "Success") return tried.success
    const now = nowMicros()
    if (receipt.done - receipt.kept > before) lastNews = now
    before = receipt.done - receipt.kept
    const isStream = hadConnection && receipt.total === undefined
    if (!hadConnection || isStream || !isLoss(tried.failure) || now - lastNews >= options.retry * 1_000_000)
      return yield* Effect.fail(tried.failure)
    yield* Effect.sleep(1000)
  }
})

/** Says what an end before the end leaves. */
const keptText = ({ done, partials, total }: Receipt): string | undefined =>
  partials.size === 0
    ? undefined
    : `${formatBytes(done)}${total === undefined ? "" : ` of ${formatBytes(total)}`} are here; the same command goes on from there`

const summary = (offer: Offer, { done, kept }: Receipt, millis: number): string => {
  const fetched = done - kept
  const what = describeOffered(offer)
  if (fetched === 0 && kept > 0) return `${what}  everything is here already, verified`
  const rate = `${what}  ${formatBytes(fetched)} in ${formatMillis(millis)}, ${formatRate(fetched, millis)}, verified`
  return kept === 0 ? rate : `${rate}; ${formatBytes(kept)} were here already`
}

const MAX_RETRY_SECONDS = 86_400

export const receive = Command.make(
  "receive",
  {
    ticket: Argument.String("ticket").pipe(Argument.withDescription("What `effect-quic send` printed")),
    output: Flag.String("output").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("DIR"),
      Flag.withDescription("Output directory (default: the current one); - is standard output, for one file"),
      Flag.withDefault(".")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Replace files that are something else"),
      Flag.withDefault(false)
    ),
    retry: Flag.Int("retry").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("How long to try again when a connection is lost (default: 60)"),
      Flag.withDefault(60),
      Flag.filter(
        (seconds) => seconds >= 0 && seconds <= MAX_RETRY_SECONDS,
        (seconds) => `a number of seconds from 0 to ${MAX_RETRY_SECONDS}, not ${seconds}`
      )
    )
  },
  (options) =>
    Effect.gen(function* () {
      const { monotonicMillis } = yield* CliHost
      const ticket = yield* parseTicket(options.ticket)
      const receipt = new Receipt()
      let label = "connecting"
      const sayKept = Effect.suspend(() => {
        const text = keptText(receipt)
        return text === undefined ? Effect.void : Console.error(`effect-quic: ${text}`)
      })
      const startedAt = monotonicMillis()
      const offer = yield* withProgress(
        {
          label: () => label,
          done: () => receipt.done,
          total: () => receipt.total,
          kept: () => receipt.kept
        },
        receiveAll(ticket, options, receipt, (offered) => {
          label = describeOffered(offered)
        })
      ).pipe(Effect.onError(() => sayKept))
      const line = summary(offer, receipt, monotonicMillis() - startedAt)
      yield* options.output === "-" ? Console.error(line) : Console.log(line)
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Receive what somebody sends with `effect-quic send`. Every piece is verified as it arrives; when the transfer is interrupted, the same command goes on where it was. Files that are there already are left alone."
  ),
  Command.withShortDescription("Receive files by a ticket"),
  Command.withExamples([
    { command: "effect-quic receive quicpeer… -o downloads", description: "Into a directory" },
    { command: "effect-quic receive quicpeer… -o - | tar x", description: "One file, to another program" }
  ])
)
