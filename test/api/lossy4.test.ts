import { lossyTransfers } from "./lossyTransfer.ts"

lossyTransfers(3, 4)
