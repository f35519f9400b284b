import { itSweeps } from "./itSweeps.ts"
import { socketSweeps } from "./sockets.ts"

itSweeps(socketSweeps)
