import * as m from '../metrics/catalog.ts'
import { parseDiskFields } from '../source/diskstats.ts'
import { type Collector, collectEach } from './collector.ts'
import { diskSamples } from './disk-samples.ts'

/** What each guest's own kernel counted, as it last told. */
export const guest: Collector = {
  name: 'guest',

  collect: (scrape) =>
    collectEach('guest', scrape.vms, scrape, async (vm) =>
      vm
        .guestDisks()
        .flatMap(({ disk, drive, stat }) =>
          diskSamples(
            m.guestDisk,
            { vm: vm.name, drive, disk },
            parseDiskFields(stat, `vm ${vm.name}: ${disk}`),
          ),
        ),
    ),
}
