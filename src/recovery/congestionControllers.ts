import { BbrV3 } from "./BbrV3.ts"
import type {
  CongestionController,
  CongestionControllerFactory,
  CoupledGrowth
} from "./CongestionController.ts"
import { Cubic } from "./Cubic.ts"
import { NewReno } from "./NewReno.ts"

/**
 * The controllers by name, as in `TransportSettings.congestion`. CUBIC (RFC 9438) and BBR (its draft) conform to
 * RFC 8085 §3.1, as RFC 9002 §7 #1 requires.
 */
export const congestionControllers = {
  bbr: (maxDatagramSize: number): CongestionController => new BbrV3(maxDatagramSize),
  cubic: (maxDatagramSize: number): CongestionController => new Cubic(maxDatagramSize),
  lia: (maxDatagramSize: number, coupled: CoupledGrowth): CongestionController =>
    new NewReno(maxDatagramSize, coupled),
  newReno: (maxDatagramSize: number): CongestionController => new NewReno(maxDatagramSize)
} as const satisfies Record<string, CongestionControllerFactory>
