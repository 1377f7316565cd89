import type { Drive, Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sampleIfGiven } from '../metrics/family.ts'
import { imageKey } from '../sampler/image-reader.ts'
import type { Collector, Scrape } from './collector.ts'

/** How large the images of drives are, as they were last looked at. */
export const image: Collector = {
  name: 'image',

  collect: async ({ vms, images }) =>
    vms.flatMap((vm) => vm.drives.flatMap((drive) => driveSamples(vm, drive, images))),
}

function driveSamples(vm: Vm, drive: Drive, images: Scrape['images']): Sample[] {
  const samples: Sample[] = []
  for (let depth = 0; depth <= (drive.backingImages?.length ?? 0); depth++) {
    const size = images.of(imageKey(vm, drive, depth))
    if (!size) continue
    const labels = { vm: vm.name, drive: drive.name, depth: String(depth) }
    samples.push(
      ...sampleIfGiven(m.driveImage.virtualBytes, labels, size.virtualBytes),
      ...sampleIfGiven(m.driveImage.allocatedBytes, labels, size.allocatedBytes),
      ...sampleIfGiven(m.driveImage.fileBytes, labels, size.fileBytes),
    )
  }
  return samples
}
