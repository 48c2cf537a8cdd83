import type { ConfigGroup } from './group.ts';

/**
 * Hardware of an N100 box and of QEMU. Drivers for booting and for the console are built in. Drivers that only some
 * boxes need are modules.
 */
export const hardware: readonly ConfigGroup[] = [
  {
    name: 'processor',
    reason: 'Alder Lake-N; also AMD, because QEMU gives its guests the host’s processor',
    builtin: `X86_X2APIC MICROCODE X86_MCE X86_MCE_INTEL X86_INTEL_LPSS X86_KERNEL_IBT X86_INTEL_MEMORY_PROTECTION_KEYS
      X86_USER_SHADOW_STACK`,
  },
  {
    name: 'mitigations',
    reason:
      'all mitigations: the kernel enables those that the processor needs. Without its option, a mitigation is off unless the command line asks for it',
    builtin: `CPU_MITIGATIONS MITIGATION_PAGE_TABLE_ISOLATION MITIGATION_RETPOLINE MITIGATION_RETHUNK MITIGATION_SPECTRE_V1
      MITIGATION_SPECTRE_V2 MITIGATION_SPECTRE_BHI MITIGATION_SSB MITIGATION_MDS MITIGATION_TAA MITIGATION_MMIO_STALE_DATA
      MITIGATION_L1TF MITIGATION_SRBDS MITIGATION_GDS MITIGATION_RFDS MITIGATION_RETBLEED MITIGATION_UNRET_ENTRY
      MITIGATION_IBPB_ENTRY MITIGATION_IBRS_ENTRY MITIGATION_SRSO MITIGATION_SLS MITIGATION_ITS MITIGATION_TSA
      MITIGATION_VMSCAPE`,
    off: 'MITIGATION_CALL_DEPTH_TRACKING',
  },
  {
    name: 'guest',
    reason: 'KVM guests get their clock and their idle state from the host',
    builtin: 'HYPERVISOR_GUEST PARAVIRT KVM_GUEST HALTPOLL_CPUIDLE',
  },
  {
    name: 'UEFI',
    reason:
      'the image boots through UEFI only, with strict memory attributes; systemd-boot needs the variables, and pstore keeps crashes in them',
    builtin: 'EFI EFI_STUB EFI_DXE_MEM_ATTRIBUTES EFIVAR_FS EFI_ESRT PSTORE EFI_VARS_PSTORE FW_LOADER',
  },
  {
    name: 'ACPI and power',
    reason:
      'for the power button, fans, sleep states of the processor, and a frequency that follows the load',
    builtin: `ACPI ACPI_PRMT ACPI_I2C_OPREGION ACPI_BUTTON ACPI_FAN ACPI_PROCESSOR ACPI_THERMAL PM CPU_FREQ CPU_FREQ_DEFAULT_GOV_SCHEDUTIL
      CPU_FREQ_GOV_SCHEDUTIL CPU_FREQ_GOV_PERFORMANCE CPU_FREQ_GOV_POWERSAVE X86_INTEL_PSTATE CPU_IDLE CPU_IDLE_GOV_MENU
      CPU_IDLE_GOV_TEO INTEL_IDLE`,
    modules: 'X86_ACPI_CPUFREQ',
  },
  {
    name: 'temperatures and power limits',
    reason:
      'small boxes get hot and throttle: coretemp, RAPL, the sensor chips of boards, temperatures of disks',
    builtin: 'THERMAL THERMAL_HWMON THERMAL_DEFAULT_GOV_STEP_WISE HWMON POWERCAP',
    modules: `INTEL_RAPL X86_PKG_TEMP_THERMAL INTEL_POWERCLAMP INT340X_THERMAL SENSORS_CORETEMP SENSORS_IT87 SENSORS_NCT6775
      SENSORS_DRIVETEMP`,
  },
  {
    name: 'PCI Express',
    reason: 'buses, error reports, hot plug (QEMU and U.2 bays), and an IOMMU that limits DMA',
    builtin: `PCI PCI_MSI PCIEPORTBUS PCIEAER PCIEASPM PCI_MMCONFIG HOTPLUG_PCI HOTPLUG_PCI_PCIE HOTPLUG_PCI_ACPI IOMMU_SUPPORT
      INTEL_IOMMU INTEL_IOMMU_DEFAULT_ON IRQ_REMAP`,
  },
  {
    name: 'chipset',
    reason:
      'I2C, GPIO and the low-power subsystem of the SoC; watchdogs, which systemd feeds (the kernel feeds a watchdog that the firmware has started, until systemd runs); TPM 2 for keys',
    builtin:
      'I2C GPIOLIB PINCTRL WATCHDOG WATCHDOG_HANDLE_BOOT_ENABLED TCG_TPM TCG_TIS TCG_CRB HW_RANDOM HW_RANDOM_TPM HPET HPET_TIMER NVMEM',
    modules: `I2C_CHARDEV I2C_I801 MFD_INTEL_LPSS_PCI MFD_INTEL_LPSS_ACPI LPC_ICH PINCTRL_ALDERLAKE ITCO_WDT
      I6300ESB_WDT SOFT_WATCHDOG`,
  },
  {
    name: 'console',
    reason: 'a person needs the firmware’s frame buffer (simpledrm), a serial port, and a keyboard',
    builtin: `SYSFB SYSFB_SIMPLEFB DRM DRM_SIMPLEDRM DRM_FBDEV_EMULATION FB FRAMEBUFFER_CONSOLE
      FRAMEBUFFER_CONSOLE_DEFERRED_TAKEOVER SERIAL_8250 SERIAL_8250_PNP SERIAL_8250_CONSOLE SERIAL_8250_PCI INPUT_KEYBOARD
      KEYBOARD_ATKBD SERIO SERIO_I8042 INPUT_EVDEV HID_SUPPORT HID HID_GENERIC USB_HID`,
    off: 'VGA_CONSOLE',
    values: { SERIAL_8250_NR_UARTS: 4, SERIAL_8250_RUNTIME_UARTS: 4 },
  },
  {
    name: 'USB',
    reason:
      'boot sticks, disks and keyboards; serial adapters of UPSes and home automation; network adapters',
    builtin: `USB_SUPPORT USB USB_PCI USB_XHCI_HCD USB_EHCI_HCD USB_STORAGE USB_UAS`,
    modules: `USB_SERIAL USB_SERIAL_FTDI_SIO USB_SERIAL_CP210X USB_SERIAL_CH341 USB_SERIAL_PL2303 USB_ACM USB_NET_DRIVERS
      USB_RTL8152 USB_USBNET USB_NET_AX88179_178A USB_NET_CDCETHER USB_NET_CDC_NCM`,
  },
  {
    name: 'disks',
    reason: 'NVMe, SATA, eMMC and SD cards; a CD for the installer; schedulers and throttling for cgroups',
    builtin: `BLK_DEV BLK_DEV_NVME NVME_HWMON SCSI BLK_DEV_SD BLK_DEV_SR SCSI_SCAN_ASYNC ATA ATA_ACPI ATA_VERBOSE_ERROR SATA_PMP SATA_AHCI MMC
      MMC_BLOCK MMC_SDHCI MMC_SDHCI_PCI MMC_SDHCI_ACPI BLK_DEV_THROTTLING BLK_CGROUP_IOLATENCY BLK_CGROUP_IOCOST BLK_WBT
      BLK_WBT_MQ BLK_DEV_INTEGRITY BLK_DEV_BSG BLK_SED_OPAL MQ_IOSCHED_DEADLINE`,
    modules: 'CHR_DEV_SG ENCLOSURE_SERVICES SCSI_ENCLOSURE IOSCHED_BFQ BLK_DEV_NBD',
    values: { SATA_MOBILE_LPM_POLICY: 3 },
  },
  {
    name: 'network cards',
    reason: 'i226-V and other cards of such boxes; QEMU has e1000, e1000e and igb too',
    builtin: 'NETDEVICES NET_CORE ETHERNET NET_VENDOR_INTEL NET_VENDOR_REALTEK',
    modules: 'E1000 E1000E IGB IGC R8169 PHYLIB REALTEK_PHY',
  },
  {
    name: 'virtio',
    reason: 'QEMU, and virtual machines on a box',
    builtin:
      'VIRTIO_MENU VIRTIO_PCI VIRTIO_BLK VIRTIO_NET VIRTIO_CONSOLE HW_RANDOM_VIRTIO SCSI_LOWLEVEL SCSI_VIRTIO VIRT_DRIVERS VMGENID',
    modules: 'VIRTIO_BALLOON VIRTIO_INPUT FW_CFG_SYSFS',
  },
];
