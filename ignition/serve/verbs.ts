import type { Command } from 'commander';
import type { ServeOptions } from './serve.ts';

/** The verb of this room: serve. */
export function register(program: Command): void {
  program
    .command('serve')
    .description(
      'boot and update machines over the network: DHCP, TFTP and HTTP on one interface, until Ctrl-C',
    )
    .argument('[image]', 'image name, folder with a manifest.json, or manifest', 'n100')
    .option('--interface <name>', 'the network port of this host that leads to the machines')
    .option('--http-only', 'no DHCP and no TFTP: another DHCP server names boot.ipxe or http.efi')
    .option('--dhcp <from,to>', 'give addresses from this range, on a network without a DHCP server')
    .option('--port <n>', 'port of HTTP; 0: any free port', '8080')
    .option('--config <folder>', 'machine configs: aa-bb-cc-dd-ee-ff.ign, .bu or .ts, and default.*')
    .option('--ca <file>', 'CA certificate in PEM that the machines shall trust when they fetch')
    .option(
      '--updates <folder>',
      'a folder of releases and channels, for boxes to update from: update.base is …/updates',
    )
    .option('--args <words>', 'further kernel arguments, e.g. "draisine.install=auto"')
    .action(async (image: string, options: ServeOptions) => {
      const { serve } = await import('./serve.ts');
      await serve(image, options);
    });
}
