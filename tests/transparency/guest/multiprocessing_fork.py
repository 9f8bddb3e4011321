"""CPython's tests of multiprocessing by `fork`. Some releases have the tests and do not install this file."""

from test._test_multiprocessing import install_tests_in_module_dict

install_tests_in_module_dict(globals(), "fork")
