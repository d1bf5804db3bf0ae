# The script that U-Boot runs: picks a slot, counts the try, boots it. A system that finds itself healthy sets the
# count back (RAUC); one that does not is left after three tries.
setenv state slots.env
# A board whose console or device tree is elsewhere says so in front of this script.
test -n "${console}" || setenv console ttyAMA0
test -n "${devicetree}" || setenv devicetree ${fdtcontroladdr}
if load ${devtype} ${devnum}:1 ${kernel_addr_r} ${state}; then env import -c ${kernel_addr_r} 0x4000 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

setenv slot
for s in ${BOOT_ORDER}; do
  if test -n "${slot}"; then true;
  elif test "${s}" = "A" && test ${BOOT_A_LEFT} -gt 0; then setenv slot A;
  elif test "${s}" = "B" && test ${BOOT_B_LEFT} -gt 0; then setenv slot B; fi
done
# Power was cut so often that nothing came up: begin anew rather than stay dark.
if test -z "${slot}"; then
  setenv BOOT_A_LEFT 3; setenv BOOT_B_LEFT 3
  for s in ${BOOT_ORDER}; do if test -z "${slot}"; then setenv slot ${s}; fi; done
fi
if test "${slot}" = "A"; then setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1; setenv kernel 2; setenv label root-a;
else setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1; setenv kernel 3; setenv label root-b; fi
env export -c -s 0x4000 ${kernel_addr_r} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
fatwrite ${devtype} ${devnum}:1 ${kernel_addr_r} ${state} 0x4000

echo "branchline: slot ${slot}, order ${BOOT_ORDER}, tries left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"
setenv bootargs "console=${console} quiet panic=2 ro root=PARTLABEL=${label} rauc.slot=${slot}"
if load ${devtype} ${devnum}:${kernel} ${kernel_addr_r} Image && load ${devtype} ${devnum}:${kernel} ${ramdisk_addr_r} initrd; then
  booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${devicetree}
fi
echo "branchline: slot ${slot} does not boot"
sleep 1
reset
