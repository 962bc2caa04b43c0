# Looks for a C++ compiler. Without one, or after one that failed (PENTANET_FAILED), a note is installed in place of the
# module: pentanet/_native_missing.py, which says why. With PENTANET_REQUIRE_NATIVE=1 in the environment, that is an
# error.
option(PENTANET_FAILED "Install a note that the module could not be compiled" OFF)

include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER AND NOT PENTANET_FAILED)
  enable_language(CXX)
  return()
endif()

if(CMAKE_CXX_COMPILER)
  set(PENTANET_REASON "${CMAKE_CXX_COMPILER} failed to compile it; pip install --verbose shows how")
else()
  set(PENTANET_REASON "there was no working C++ compiler")
  if(DEFINED ENV{CXX})
    string(APPEND PENTANET_REASON ", with CXX=$ENV{CXX}")
  endif()
  unset(CMAKE_CXX_COMPILER CACHE)  # it is looked for again the next time
endif()
if("$ENV{PENTANET_REQUIRE_NATIVE}")
  message(FATAL_ERROR "PENTANET_REQUIRE_NATIVE is set, and the engine cannot be compiled: ${PENTANET_REASON}")
endif()
message(WARNING "pentanet is installed without its native engine: ${PENTANET_REASON}")
string(REPLACE "\\" "/" PENTANET_REASON "${PENTANET_REASON}")  # it becomes a string of Python
string(REPLACE "\"" "'" PENTANET_REASON "${PENTANET_REASON}")
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/_native_missing.py" "REASON = \"${PENTANET_REASON}\"\n")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/_native_missing.py" DESTINATION pentanet)
