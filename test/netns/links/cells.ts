/** What is measured over two links, and what has to hold. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Conditions, Links } from "./Links.ts"
import { byKernel, type Figures, OurTransfers, type Transfer } from "./transfers.ts"

export interface Measured {
  /** In a few words. */
  readonly summary: string
  /** What does not hold. */
  readonly problem: string | undefined
  readonly figures: Readonly<Record<string, Figures | number | undefined>>
}

export interface Cell {
  readonly name: string
  /** `isFull`: long enough for the figures rather than for whether they are sane. */
  readonly measure: (isFull: boolean) => Effect.Effect<Measured, never, Scope.Scope>
}

const MEGABYTE = 1_000_000

const SLOW = { wifi: { megabits: 50, rttMillis: 20 }, lte: { megabits: 20, rttMillis: 60 } }
const FAST = { wifi: { megabits: 300, rttMillis: 10 }, lte: { megabits: 80, rttMillis: 30 } }
/** Faster than a process sends. */
const BOUNDLESS = { megabits: 5_000, rttMillis: 10 }

interface Bench {
  readonly set: (wifi: Conditions, lte: Conditions) => Promise<void>
  readonly silenceWifi: () => Promise<void>
  readonly ours: (transfer: Transfer) => Promise<Figures>
  /** Undefined where the kernel or python3 cannot. */
  readonly kernel: (transfer: Transfer) => Promise<Figures | undefined>
}

const onBench = (use: (bench: Bench) => Promise<Measured>): Effect.Effect<Measured, never, Scope.Scope> =>
  Effect.gen(function* () {
    const links = yield* Links.make
    const set = async (wifi: Conditions, lte: Conditions) => {
      await links.set("wifi", wifi)
      await links.set("lte", lte)
    }
    yield* Effect.promise(() => set(SLOW.wifi, SLOW.lte))
    const transfers = yield* OurTransfers.make(links)
    return yield* Effect.promise(() =>
      use({
        set,
        silenceWifi: () => links.set("wifi", { ...SLOW.wifi, lossRate: 1 }),
        ours: (transfer) => transfers.run(transfer),
        kernel: (transfer) => byKernel(links, transfer).catch(() => undefined)
      })
    )
  })

const rate = (figures: Figures | undefined): string =>
  figures === undefined ? "none here" : `${figures.goodputMegabits.toFixed(1)} Mbit/s`

const both = ({ goodputMegabits, linkMegabits }: Figures): string =>
  `${goodputMegabits.toFixed(1)} Mbit/s (${linkMegabits.toFixed(1)} of IP packets)`

/** Of a core each. */
const cores = ({ clientCpu, serverCpu = 0 }: Figures): string =>
  `client ${(100 * clientCpu).toFixed(0)} %, server ${(100 * serverCpu).toFixed(0)} % of a core`

const worse = (holds: boolean, problem: string): string | undefined => (holds ? undefined : problem)

interface Sum extends Measured {
  readonly figures: Readonly<Record<"sum" | "single", Figures> & Record<"mptcp" | "tcp", Figures | undefined>>
}

/** Both links, the better one, and the kernel's over the same. */
const sumOf = async (
  links: typeof SLOW,
  congestion: Transfer["congestion"],
  bytes: number,
  { ours, kernel, set }: Bench
): Promise<Sum> => {
  await set(links.wifi, links.lte)
  const sum = await ours({ bytes, paths: 2, congestion })
  const single = await ours({ bytes, paths: 1, congestion })
  const mptcp = await kernel({ bytes, paths: 2, congestion })
  const tcp = await kernel({ bytes, paths: 1, congestion })
  return {
    figures: { sum, single, mptcp, tcp },
    summary: `${both(sum)}; one link ${rate(single)}; MPTCP ${rate(mptcp)}; TCP ${rate(tcp)}`,
    problem: worse(sum.goodputMegabits > single.goodputMegabits, "two links carry less than one of them")
  }
}

const sum: Cell = {
  name: "50 + 20 Mbit/s",
  measure: (isFull) => onBench((bench) => sumOf(SLOW, "cubic", (isFull ? 100 : 20) * MEGABYTE, bench))
}

const short: Cell = {
  name: "10 MB",
  measure: () =>
    onBench(async ({ ours, kernel }) => {
      const transfer = { bytes: 10 * MEGABYTE, paths: 2, congestion: "cubic" } as const
      const figures = { ours: await ours(transfer), mptcp: await kernel(transfer) }
      const seconds = (each: Figures | undefined) =>
        each === undefined ? "none here" : `${(each.millis / 1000).toFixed(2)} s`
      return {
        figures,
        summary: `${seconds(figures.ours)} with the handshake; MPTCP ${seconds(figures.mptcp)}`,
        problem: undefined
      }
    })
}

const lossy: Cell = {
  name: "1 % lost, BBR",
  measure: (isFull) =>
    onBench((bench) => {
      const lossRate = 0.01
      const links = { wifi: { ...SLOW.wifi, lossRate }, lte: { ...SLOW.lte, lossRate } }
      return sumOf(links, "bbr", (isFull ? 60 : 15) * MEGABYTE, bench)
    })
}

const SILENT_AFTER_MILLIS = 1_500
/** A gap of which is more than a pause. */
const SANE_GAP_MILLIS = 1_000

const silence: Cell = {
  name: "a link falls silent",
  measure: () =>
    onBench(async ({ ours, kernel, set, silenceWifi }) => {
      const gapOf = async (by: typeof kernel): Promise<number | undefined> => {
        await set(SLOW.wifi, SLOW.lte)
        let silentAt = Number.POSITIVE_INFINITY
        const timer = setTimeout(() => {
          silentAt = Date.now()
          void silenceWifi()
        }, SILENT_AFTER_MILLIS)
        const figures = await by({ bytes: 20 * MEGABYTE, paths: 2, congestion: "cubic" })
        clearTimeout(timer)
        const gaps = figures?.gaps.filter(({ untilMillis }) => untilMillis > silentAt)
        return gaps && Math.max(0, ...gaps.map(({ millis }) => millis))
      }
      const figures = { gapMillis: await gapOf(ours), mptcpGapMillis: await gapOf(kernel) }
      const millis = (gap: number | undefined) => (gap === undefined ? "none here" : `${gap.toFixed(0)} ms`)
      return {
        figures,
        summary: `longest gap ${millis(figures.gapMillis)}; MPTCP ${millis(figures.mptcpGapMillis)}`,
        problem: worse(
          figures.gapMillis !== undefined && figures.gapMillis < SANE_GAP_MILLIS,
          "it stood still for a second"
        )
      }
    })
}

const fast: Cell = {
  name: "300 + 80 Mbit/s",
  measure: (isFull) =>
    onBench(async (bench) => {
      const bytes = (isFull ? 250 : 50) * MEGABYTE
      const { figures, summary } = await sumOf(FAST, "cubic", bytes, bench)
      await bench.set(BOUNDLESS, BOUNDLESS)
      const limit = await bench.ours({ bytes, paths: 1, congestion: "cubic" })
      return {
        figures: { ...figures, limit },
        summary: `${summary}; one path without a limit ${rate(limit)} (${cores(limit)}); both links: ${cores(figures.sum)}`,
        // whether the CPU carries the sum is not for this network to say
        problem: undefined
      }
    })
}

const beside: Cell = {
  name: "30 % lost on one",
  measure: (isFull) =>
    onBench(async ({ ours, set }) => {
      const bytes = (isFull ? 50 : 15) * MEGABYTE
      await set(SLOW.wifi, { ...SLOW.lte, lossRate: 0.3 })
      const figures = {
        both: await ours({ bytes, paths: 2, congestion: "cubic" }),
        clean: await ours({ bytes, paths: 1, congestion: "cubic" })
      }
      const share = figures.both.goodputMegabits / figures.clean.goodputMegabits
      return {
        figures,
        summary: `${rate(figures.both)}; the clean link alone ${rate(figures.clean)}: ${(100 * share).toFixed(0)} %`,
        problem: worse(share > 0.8, "a bad link takes from a good one")
      }
    })
}

export const cells: ReadonlyArray<Cell> = [sum, short, lossy, silence, fast, beside]
